// The picture type of the public interface.
#pragma once

#include "ixc/image.h"
