// Gather: one tile of an image becomes a network's input. Plain C++20; knows no Python.
//
// Whoever calls checks that the shapes agree and that every index is inside: he knows how to report it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace czengine {

constexpr std::int64_t OPAQUE = -1; // channel index that means "a constant"

// One byte that means false (0) or true (anything else). A C++ bool may hold nothing but 0 and 1.
enum class Truth : std::uint8_t {};

// An image, (channel, y, x). Somebody else owns it. Strides are in elements and may be negative.
template <class Pixel>
struct Image {
    const Pixel* data;
    std::ptrdiff_t channel_stride, row_stride, column_stride;
};

// What the tile shows: source channel of each of its channels, source row of each row, column of each column.
struct Selection {
    std::span<const std::int64_t> channels, rows, columns;
};

// Where it goes, (y, x, channel), of the selection's sizes.
struct Input {
    float* data;
    std::ptrdiff_t row_stride, column_stride, channel_stride;
};

// out[y, x, c] = source[channels[c], rows[y], columns[x]] / divisor, divided as double, rounded once;
// `constant` where channels[c] is OPAQUE.
//
// Instantiated for Truth, the integers of 8 to 64 bits, float and double.
template <class Pixel>
void gather(const Image<Pixel>& source, const Selection& selection, double divisor, float constant,
            const Input& out) noexcept;

} // namespace czengine
