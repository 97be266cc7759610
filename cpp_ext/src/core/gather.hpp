// Gather: a part of an image becomes a part of a network's input. Plain C++20; knows no Python.
//
// Whoever calls checks that the shapes agree and that every channel is one: he knows how to report it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace czengine {

constexpr std::int64_t OPAQUE = -1; // channel index that means "a constant"

// One byte that means false (0) or true (anything else). A C++ bool may hold nothing but 0 and 1.
enum class Truth : std::uint8_t {};

// An image, (channel, y, x). Somebody else owns it. Strides are in elements and may be zero or negative.
template <class Pixel>
struct Image {
    const Pixel* data;
    std::ptrdiff_t channel_stride, row_stride, column_stride;
};

// Where it goes, (y, x, channel).
template <class Value>
struct Input {
    Value* data;
    std::ptrdiff_t height, width;
    std::ptrdiff_t row_stride, column_stride, channel_stride;
};

// out[y, x, c] = source[channels[c], y, x] / divisor, divided as double, rounded once; `constant` where channels[c]
// is OPAQUE.
//
// Instantiated for Truth, the integers of 8 to 64 bits, float and double.
template <class Pixel>
void gather(const Image<Pixel>& source, std::span<const std::int64_t> channels, double divisor, float constant,
            const Input<float>& out) noexcept;

// out[y, x, c] = source[channels[c], y, x]; `constant` where channels[c] is OPAQUE.
//
// Instantiated for the unsigned integers of 8 to 64 bits, which stand for anything of their size.
template <class Bits>
void pick(const Image<Bits>& source, std::span<const std::int64_t> channels, Bits constant,
          const Input<Bits>& out) noexcept;

} // namespace czengine
