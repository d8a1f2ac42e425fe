// From the command line's words to a request.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"
#include "cli/progress.h"
#include "cli/saved_conversation.h"

namespace ixc {

EngineOptions ToEngineOptions(const ModelOptions& options);
// The same with a bar while weights are loaded; Ctrl-C stops that. `progress` must outlive loading.
EngineOptions ToEngineOptions(const ModelOptions& options, Progress& progress);

// Everything of the request but the pictures that belong to its question: the earlier turns come
// with theirs.
Request ToRequest(const PromptOptions& options, ImageMarks default_marks);

// Puts the turns and pictures of `saved` at the beginning of a request that has none yet.
void ContinueConversation(const SavedConversation& saved, const PromptOptions& options,
                          Request& request);

void AddPicture(const std::string& path, int hd_num, const PromptOptions& options,
                Request& request);
// Each with the hd number that the options give it.
void AddPictures(const std::vector<std::string>& paths, const PromptOptions& options,
                 Request& request);

// Decodes a picture within the limits of the options, turned by EXIF data if asked for.
Image LoadPicture(const std::string& path, const PromptOptions& options);

}  // namespace ixc
