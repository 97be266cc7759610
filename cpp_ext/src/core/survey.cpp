#include "core/survey.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/lines.hpp"

namespace czengine {

namespace {

using lines::BLOCK;

// Whether `Size` values are all `value`; no exit in between, so that it is a few vector operations.
template <std::ptrdiff_t Size, class Bits>
CZENGINE_INLINE bool all_are(const Bits* from, Bits value) noexcept {
    Bits differences = 0;
    for (std::ptrdiff_t x = 0; x < Size; ++x) differences |= static_cast<Bits>(from[x] ^ value);
    return differences == 0;
}

// The labels of one look.
template <class Label>
struct Run {
    std::uint64_t words[4];

    static constexpr std::ptrdiff_t SIZE = sizeof(std::uint64_t[4]) / sizeof(Label);

    CZENGINE_INLINE bool is_one_label() const noexcept {
        const std::uint64_t turned = std::rotl(words[0], 8 * static_cast<int>(sizeof(Label)));
        return ((words[0] ^ turned) | (words[0] ^ words[1]) | (words[0] ^ words[2]) | (words[0] ^ words[3])) == 0;
    }
};

// Several tables in turn: adding twice to one number takes longer than adding to two.
template <class Label, std::ptrdiff_t Tables>
struct Counter {
    std::int64_t* tables[Tables];

    CZENGINE_INLINE void operator()(const Label* from, std::ptrdiff_t size) const noexcept {
        std::ptrdiff_t x = 0;
        for (; x + Run<Label>::SIZE <= size; x += Run<Label>::SIZE) {
            Run<Label> run;
            std::memcpy(&run, from + x, sizeof run);
            if (run.is_one_label()) // most of a segmentation: the inside and the outside of things
                tables[0][from[x]] += Run<Label>::SIZE;
            else
                each(from + x, Run<Label>::SIZE);
        }
        each(from + x, size - x);
    }

    CZENGINE_INLINE void each(const Label* from, std::ptrdiff_t size) const noexcept {
        std::ptrdiff_t x = 0;
        for (; x + Tables <= size; x += Tables)
            for (std::ptrdiff_t table = 0; table < Tables; ++table) ++tables[table][from[x + table]];
        for (; x < size; ++x) ++tables[0][from[x]];
    }
};

template <class Label, class Counter>
CZENGINE_INLINE void count_lines(const Labels<const Label>& labels, std::ptrdiff_t height, std::ptrdiff_t width,
                                 const Counter& counter) noexcept {
    Label taken[BLOCK];
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        const Label* line = labels.data + y * labels.row_stride;
        if (labels.column_stride == 1) {
            counter(line, width);
            continue;
        }
        for (std::ptrdiff_t x = 0; x < width; x += BLOCK) {
            const std::ptrdiff_t size = std::min(BLOCK, width - x);
            lines::take(line + x * labels.column_stride, labels.column_stride, size, taken);
            counter(taken, size);
        }
    }
}

template <class Bits>
CZENGINE_INLINE bool is_uniform_line(const Bits* line, std::ptrdiff_t stride, std::ptrdiff_t size,
                                     Bits value) noexcept {
    std::ptrdiff_t x = 0;
    if (stride == 1) {
        constexpr std::ptrdiff_t piece = 256 / sizeof(Bits);
        for (; x + piece <= size; x += piece)
            if (!all_are<piece>(line + x, value)) return false;
    }
    for (; x < size; ++x)
        if (line[x * stride] != value) return false;
    return true;
}

// An axis along which nothing moves is one step long.
std::ptrdiff_t steps(std::ptrdiff_t size, std::ptrdiff_t stride) noexcept {
    return stride == 0 ? std::min<std::ptrdiff_t>(size, 1) : size;
}

} // namespace

template <class Label>
CZENGINE_CLONED void count(const Labels<const Label>& labels, std::ptrdiff_t height, std::ptrdiff_t width,
                           std::int64_t* counts) noexcept {
    if constexpr (sizeof(Label) == 1) {
        std::int64_t more[3][256] = {};
        count_lines(labels, height, width, Counter<Label, 4>{{counts, more[0], more[1], more[2]}});
        for (const auto& table : more)
            for (std::size_t value = 0; value < 256; ++value) counts[value] += table[value];
    } else {
        count_lines(labels, height, width, Counter<Label, 1>{{counts}});
    }
}

template <class Bits>
CZENGINE_CLONED bool is_uniform(const Image<Bits>& pixels, std::ptrdiff_t channels, std::ptrdiff_t height,
                                std::ptrdiff_t width) noexcept {
    channels = steps(channels, pixels.channel_stride);
    height = steps(height, pixels.row_stride);
    width = steps(width, pixels.column_stride);
    if (width == 0) return true;
    for (std::ptrdiff_t c = 0; c < channels; ++c) {
        const Bits* plane = pixels.data + c * pixels.channel_stride;
        for (std::ptrdiff_t y = 0; y < height; ++y)
            if (!is_uniform_line(plane + y * pixels.row_stride, pixels.column_stride, width, *plane)) return false;
    }
    return true;
}

template void count(const Labels<const std::uint8_t>&, std::ptrdiff_t, std::ptrdiff_t, std::int64_t*) noexcept;
template void count(const Labels<const std::uint16_t>&, std::ptrdiff_t, std::ptrdiff_t, std::int64_t*) noexcept;

template bool is_uniform(const Image<std::uint8_t>&, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t) noexcept;
template bool is_uniform(const Image<std::uint16_t>&, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t) noexcept;
template bool is_uniform(const Image<std::uint32_t>&, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t) noexcept;
template bool is_uniform(const Image<std::uint64_t>&, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t) noexcept;

} // namespace czengine
