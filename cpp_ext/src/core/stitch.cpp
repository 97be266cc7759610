#include "core/stitch.hpp"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <type_traits>

#include "core/lines.hpp"

namespace czengine {

namespace {

using lines::BLOCK;
using lines::GROUP;

// The lowest Score that is not below `limit` as a double: comparing with it gives the same answers.
template <class Score>
Score rounded_up(double limit) noexcept {
    const auto nearest = static_cast<Score>(limit); // infinite beyond the range
    return static_cast<double>(nearest) < limit ? std::nextafter(nearest, std::numeric_limits<Score>::infinity())
                                                : nearest;
}

// Up to GROUP classes of up to BLOCK pixels of a line, whose scores lie one after the other in each class.
template <class Score>
struct Part {
    std::ptrdiff_t y, x, first_class;
    std::ptrdiff_t size, classes;
    const Score* scores;
    std::ptrdiff_t class_stride;
};

// Brings the scores of a part into planes, in `taken`, whatever their layout.
template <class Score>
CZENGINE_INLINE void unweave(const Scores<Score>& tile, const Score* from, const Part<Score>& part,
                             Score* taken) noexcept {
    if (tile.class_stride == 1 && tile.column_stride == tile.classes && tile.classes == part.classes) {
        switch (part.classes) {
        case 2: lines::unweave<2>(from, part.size, taken); return;
        case 3: lines::unweave<3>(from, part.size, taken); return;
        case 4: lines::unweave_group(from, 4, part.size, taken); return;
        }
    }
    if (tile.class_stride == 1 && part.classes == GROUP) {
        lines::unweave_group(from, tile.column_stride, part.size, taken);
        return;
    }
    for (std::ptrdiff_t k = 0; k < part.classes; ++k)
        lines::take(from + k * tile.class_stride, tile.column_stride, part.size, taken + k * BLOCK);
}

// Calls `use` with all parts of a tile: line by line, block by block, the classes of a block in order.
template <class Score, class Use>
CZENGINE_INLINE void each_part(const Scores<Score>& tile, const Use& use) noexcept {
    Score taken[GROUP * BLOCK];
    for (std::ptrdiff_t y = 0; y < tile.height; ++y) {
        for (std::ptrdiff_t x = 0; x < tile.width; x += BLOCK) {
            for (std::ptrdiff_t k = 0; k < tile.classes; k += GROUP) {
                const Score* from = tile.data + y * tile.row_stride + x * tile.column_stride + k * tile.class_stride;
                Part<Score> part{y, x, k, std::min(BLOCK, tile.width - x), std::min(GROUP, tile.classes - k),
                                 from, tile.class_stride};
                if (tile.column_stride != 1) {
                    unweave(tile, from, part, taken);
                    part.scores = taken;
                    part.class_stride = BLOCK;
                }
                use(part);
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------- argmax

// The best class so far of each pixel of a block. Masks (0 or -1) instead of conditions make vectors.
template <class Score>
struct Best {
    using Mask = std::conditional_t<sizeof(Score) == 4, std::int32_t, std::int64_t>;
    Score score[BLOCK];
    Mask label[BLOCK], odd[BLOCK]; // odd: some score is not a number
};

template <std::ptrdiff_t Count, bool IsFirst, class Score, class Label>
CZENGINE_INLINE void compare(const Part<Score>& part, const Label* values, Best<Score>& best) noexcept {
    using Mask = typename Best<Score>::Mask;
    const Score* __restrict scores = part.scores;
    Score* __restrict best_score = best.score;
    Mask* __restrict best_label = best.label;
    Mask* __restrict best_odd = best.odd;
    const std::ptrdiff_t stride = part.class_stride;
    Mask labels[Count];
    for (std::ptrdiff_t k = 0; k < Count; ++k) labels[k] = values[part.first_class + k];
    for (std::ptrdiff_t x = 0; x < part.size; ++x) {
        Score highest = IsFirst ? scores[x] : best_score[x];
        Mask label = IsFirst ? labels[0] : best_label[x];
        Mask odd = IsFirst ? -static_cast<Mask>(highest != highest) : best_odd[x];
        for (std::ptrdiff_t k = IsFirst ? 1 : 0; k < Count; ++k) {
            const Score score = scores[x + k * stride];
            const Mask better = -static_cast<Mask>(score > highest);
            odd |= -static_cast<Mask>(score != score);
            label = (label & ~better) | (labels[k] & better);
            highest = score > highest ? score : highest;
        }
        best_score[x] = highest;
        best_label[x] = label;
        best_odd[x] = odd;
    }
}

template <bool IsFirst, class Score, class Label>
CZENGINE_INLINE void compare(const Part<Score>& part, const Label* values, Best<Score>& best) noexcept {
    switch (part.classes) {
    case 1: compare<1, IsFirst>(part, values, best); break;
    case 2: compare<2, IsFirst>(part, values, best); break;
    case 3: compare<3, IsFirst>(part, values, best); break;
    default: compare<GROUP, IsFirst>(part, values, best);
    }
}

template <class Score, class Label>
CZENGINE_INLINE void finish(const Best<Score>& best, std::ptrdiff_t size, Score lowest,
                            Label* __restrict to) noexcept {
    using Mask = typename Best<Score>::Mask;
    for (std::ptrdiff_t x = 0; x < size; ++x) {
        const Mask dropped = best.odd[x] | -static_cast<Mask>(best.score[x] < lowest);
        to[x] = static_cast<Label>(best.label[x] & ~dropped);
    }
}

// Takes the parts of a tile, and writes the labels of a block after its last class.
template <class Score, class Label>
struct Argmax {
    const Label* values;
    std::ptrdiff_t classes;
    Score lowest;
    const Labels<Label>& out;
    Best<Score>& best;

    CZENGINE_INLINE void operator()(const Part<Score>& part) const noexcept {
        if (part.first_class == 0)
            compare<true>(part, values, best);
        else
            compare<false>(part, values, best);
        if (part.first_class + part.classes < classes) return;
        Label labels[BLOCK];
        Label* to = out.data + part.y * out.row_stride + part.x * out.column_stride;
        finish(best, part.size, lowest, out.column_stride == 1 ? to : labels);
        if (out.column_stride != 1) lines::put(labels, part.size, to, out.column_stride);
    }
};

// ---------------------------------------------------------------------------------------------- planes

template <class Score>
struct Reaches {
    Score lowest;

    CZENGINE_INLINE void operator()(const Score* __restrict from, std::ptrdiff_t size,
                                    std::uint8_t* __restrict to) const noexcept {
        for (std::ptrdiff_t x = 0; x < size; ++x) to[x] = from[x] >= lowest;
    }
};

template <class Score>
struct Rounded {
    CZENGINE_INLINE void operator()(const Score* __restrict from, std::ptrdiff_t size,
                                    float* __restrict to) const noexcept {
        for (std::ptrdiff_t x = 0; x < size; ++x) to[x] = static_cast<float>(from[x]);
    }
};

// Takes the parts of a tile, and writes for each class what `convert` makes of its scores.
template <class Score, class Value, class Convert>
struct EachClass {
    const Planes<Value>& out;
    Convert convert;

    CZENGINE_INLINE void operator()(const Part<Score>& part) const noexcept {
        Value values[BLOCK];
        for (std::ptrdiff_t k = 0; k < part.classes; ++k) {
            Value* to = out.data + (part.first_class + k) * out.class_stride + part.y * out.row_stride +
                        part.x * out.column_stride;
            convert(part.scores + k * part.class_stride, part.size, out.column_stride == 1 ? to : values);
            if (out.column_stride != 1) lines::put(values, part.size, to, out.column_stride);
        }
    }
};

} // namespace

template <class Score, class Label>
CZENGINE_CLONED void argmax(const Scores<Score>& scores, const Label* values, double min_confidence,
                            const Labels<Label>& out) noexcept {
    Best<Score> best;
    each_part(scores, Argmax<Score, Label>{values, scores.classes, rounded_up<Score>(min_confidence), out, best});
}

template <class Score>
CZENGINE_CLONED void threshold(const Scores<Score>& scores, double limit, const Planes<std::uint8_t>& out) noexcept {
    each_part(scores, EachClass<Score, std::uint8_t, Reaches<Score>>{out, {rounded_up<Score>(limit)}});
}

template <class Score>
CZENGINE_CLONED void copy(const Scores<Score>& scores, const Planes<float>& out) noexcept {
    each_part(scores, EachClass<Score, float, Rounded<Score>>{out, {}});
}

template void argmax(const Scores<float>&, const std::uint8_t*, double, const Labels<std::uint8_t>&) noexcept;
template void argmax(const Scores<float>&, const std::uint16_t*, double, const Labels<std::uint16_t>&) noexcept;
template void argmax(const Scores<double>&, const std::uint8_t*, double, const Labels<std::uint8_t>&) noexcept;
template void argmax(const Scores<double>&, const std::uint16_t*, double, const Labels<std::uint16_t>&) noexcept;

template void threshold(const Scores<float>&, double, const Planes<std::uint8_t>&) noexcept;
template void threshold(const Scores<double>&, double, const Planes<std::uint8_t>&) noexcept;

template void copy(const Scores<float>&, const Planes<float>&) noexcept;
template void copy(const Scores<double>&, const Planes<float>&) noexcept;

} // namespace czengine
