#include "core/stitch.hpp"

#include <cmath>
#include <cstdint>

namespace czengine {

namespace {

// The label of one pixel whose scores are `stride` elements apart.
template <class Score, class Label>
Label best(const Score* pixel, std::ptrdiff_t classes, std::ptrdiff_t stride, const Label* values,
           double min_confidence) noexcept {
    Score highest = pixel[0];
    std::ptrdiff_t winner = 0;
    bool a_number = !std::isnan(highest);
    for (std::ptrdiff_t k = 1; k < classes; ++k) {
        const Score score = pixel[k * stride];
        a_number &= !std::isnan(score);
        if (score > highest) {
            highest = score;
            winner = k;
        }
    }
    const bool kept = a_number && !(static_cast<double>(highest) < min_confidence);
    return kept ? values[winner] : Label{0};
}

} // namespace

template <class Score, class Label>
void argmax(const Scores<Score>& scores, const Label* values, double min_confidence,
            const Labels<Label>& out) noexcept {
    for (std::ptrdiff_t y = 0; y < scores.height; ++y) {
        const Score* pixel = scores.data + y * scores.row_stride;
        Label* label = out.data + y * out.row_stride;
        for (std::ptrdiff_t x = 0; x < scores.width; ++x) {
            *label = best(pixel, scores.classes, scores.class_stride, values, min_confidence);
            pixel += scores.column_stride;
            label += out.column_stride;
        }
    }
}

template void argmax(const Scores<float>&, const std::uint8_t*, double, const Labels<std::uint8_t>&) noexcept;
template void argmax(const Scores<float>&, const std::uint16_t*, double, const Labels<std::uint16_t>&) noexcept;
template void argmax(const Scores<double>&, const std::uint8_t*, double, const Labels<std::uint8_t>&) noexcept;
template void argmax(const Scores<double>&, const std::uint16_t*, double, const Labels<std::uint16_t>&) noexcept;

} // namespace czengine
