// Survey: what the values of a part of an image are, taken together. Plain C++20; knows no Python.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/gather.hpp"
#include "core/stitch.hpp"

namespace czengine {

// counts[v] += number of pixels with label v; `counts` has one element per value of Label.
//
// Instantiated for 8 and 16 bits.
template <class Label>
void count(const Labels<const Label>& labels, std::ptrdiff_t height, std::ptrdiff_t width,
           std::int64_t* counts) noexcept;

// Whether all pixels of each channel have the bits of its first one. No pixels are.
//
// Instantiated for the unsigned integers of 8 to 64 bits, which stand for anything of their size.
template <class Bits>
bool is_uniform(const Image<Bits>& pixels, std::ptrdiff_t channels, std::ptrdiff_t height,
                std::ptrdiff_t width) noexcept;

} // namespace czengine
