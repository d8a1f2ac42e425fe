// The smallest program that embeds ixc: describes one picture.
//   embed MODEL_DIR PICTURE [QUESTION]
#include <iostream>

#include "ixc/engine.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: embed MODEL_DIR PICTURE [QUESTION]\n";
    return 2;
  }
  try {
    ixc::EngineOptions options;
    options.model_dir = argv[1];
    ixc::Engine engine = ixc::Engine::Load(options);

    ixc::Request request;
    request.query = argc > 3 ? argv[3] : "Please describe this image in detail.";
    request.images.push_back(ixc::LoadImage(argv[2]));

    ixc::GenerationEvents events;
    events.on_text = [](std::string_view text) { std::cout << text << std::flush; };
    engine.Generate(request, events);
    std::cout << '\n';
  } catch (const ixc::Error& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}
