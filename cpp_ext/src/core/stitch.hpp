// Stitch: a tile's scores become label values at their place. Plain C++20; knows no Python.
//
// Whoever calls checks that the shapes agree: he knows how to report it.
#pragma once

#include <cstddef>

namespace czengine {

// A tile's scores, (y, x, class). Somebody else owns them. Strides are in elements and may be negative.
template <class Score>
struct Scores {
    const Score* data;
    std::ptrdiff_t height, width, classes;
    std::ptrdiff_t row_stride, column_stride, class_stride;
};

// Where its labels go, (y, x), of the scores' height and width.
template <class Label>
struct Labels {
    Label* data;
    std::ptrdiff_t row_stride, column_stride;
};

// out[y, x] = values[k] for the first k with the highest score; 0 where that score is below
// min_confidence (compared as double), and where any score of the pixel is not a number.
//
// There is at least one class, and `values` has one element per class. Instantiated for float and
// double scores, 8 and 16 bit labels.
template <class Score, class Label>
void argmax(const Scores<Score>& scores, const Label* values, double min_confidence,
            const Labels<Label>& out) noexcept;

} // namespace czengine
