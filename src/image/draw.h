// A picture as the model sees it, drawn for people: its views, the cells that become image tokens,
// and where the separators stand.
#pragma once

#include "image/image.h"
#include "image/transform.h"

namespace ixc {

// 8-bit pixels of a view: what the model gets, with the normalisation undone.
Image ViewToImage(const PreparedImage& prepared, int view, const ImageTransform& transform);

// kSquare: the square with its cells. kTiles, from top to bottom in the order of the tokens: the
// global view, the view separator (blue), the views side by side as one picture. An orange mark
// behind a row of cells is its row separator, red lines are the borders of views.
// cells_per_side: image tokens along the side of a view.
Image DrawViews(const PreparedImage& prepared, const ImageTransform& transform, int cells_per_side);

}  // namespace ixc
