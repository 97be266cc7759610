// Stitch: a tile's scores become what is written, at its place. Plain C++20; knows no Python.
//
// Whoever calls checks that the shapes agree: he knows how to report it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace czengine {

// A tile's scores, (y, x, class). Somebody else owns them. Strides are in elements and may be zero or negative.
template <class Score>
struct Scores {
    const Score* data;
    std::ptrdiff_t height, width, classes;
    std::ptrdiff_t row_stride, column_stride, class_stride;
};

// Where labels go, (y, x), of the scores' height and width.
template <class Label>
struct Labels {
    Label* data;
    std::ptrdiff_t row_stride, column_stride;
};

// Where one value per class goes, (class, y, x), of the scores' sizes.
template <class Value>
struct Planes {
    Value* data;
    std::ptrdiff_t class_stride, row_stride, column_stride;
};

// out[y, x] = values[k] for the first k with the highest score; 0 where that score is below
// min_confidence (compared as double), and where any score of the pixel is not a number.
//
// There is at least one class, and `values` has one element per class. Instantiated for float and
// double scores, 8 and 16 bit labels.
template <class Score, class Label>
void argmax(const Scores<Score>& scores, const Label* values, double min_confidence,
            const Labels<Label>& out) noexcept;

// out[k, y, x] = scores[y, x, k] >= limit, compared as double. Instantiated for float and double.
template <class Score>
void threshold(const Scores<Score>& scores, double limit, const Planes<std::uint8_t>& out) noexcept;

// out[k, y, x] = scores[y, x, k], rounded to float. Instantiated for float and double.
template <class Score>
void copy(const Scores<Score>& scores, const Planes<float>& out) noexcept;

} // namespace czengine
