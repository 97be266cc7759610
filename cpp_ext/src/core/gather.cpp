#include "core/gather.hpp"

#include <algorithm>
#include <concepts>
#include <type_traits>

#include "core/lines.hpp"

namespace czengine {

namespace {

using lines::BLOCK;
using lines::GROUP;

template <class Number, class Pixel>
CZENGINE_INLINE Number number(Pixel pixel) noexcept {
    if constexpr (std::same_as<Pixel, Truth>)
        return pixel == Truth{0} ? Number{0} : Number{1};
    else
        return static_cast<Number>(pixel);
}

// The types whose every value is a float. Their quotient by a float is the same whether divided as float, or as
// double and rounded then: a double has more than twice the digits, so that rounding twice never differs.
template <class Pixel>
constexpr bool is_narrow = sizeof(Pixel) <= 2 || std::same_as<Pixel, float>;

template <class Number, class Pixel>
CZENGINE_INLINE void divide(const Pixel* __restrict from, std::ptrdiff_t size, Number divisor,
                            float* __restrict to) noexcept {
    for (std::ptrdiff_t x = 0; x < size; ++x) to[x] = static_cast<float>(number<Number>(from[x]) / divisor);
}

// One line of pixels to floats.
struct Scaling {
    double divisor;

    template <class Pixel>
    CZENGINE_INLINE void operator()(const Pixel* __restrict from, std::ptrdiff_t size,
                                    float* __restrict to) const noexcept {
        using Number = std::conditional_t<is_narrow<Pixel>, float, double>;
        if (divisor == 1.0)
            for (std::ptrdiff_t x = 0; x < size; ++x) to[x] = static_cast<float>(number<Number>(from[x]));
        else if (static_cast<double>(static_cast<Number>(divisor)) == divisor)
            divide(from, size, static_cast<Number>(divisor), to);
        else
            divide(from, size, divisor, to);
    }
};

// One line of pixels as they are.
struct Copying {
    template <class Bits>
    CZENGINE_INLINE void operator()(const Bits* __restrict from, std::ptrdiff_t size,
                                    Bits* __restrict to) const noexcept {
        lines::take(from, 1, size, to);
    }
};

// Planes of pixels in, planes of values out, a line at a time; `convert` makes the values.
template <class Pixel, class Value, class Convert>
struct Gather {
    const Image<Pixel>& source;
    std::span<const std::int64_t> channels;
    Convert convert;
    Value constant;
    const Input<Value>& out;

    // Values of network channel c, one after the other: at most BLOCK, unless all is in place as it is.
    CZENGINE_INLINE void line(std::size_t c, std::ptrdiff_t y, std::ptrdiff_t x, std::ptrdiff_t size,
                              Value* to) const noexcept {
        if (channels[c] == OPAQUE) {
            std::fill_n(to, size, constant);
            return;
        }
        const Pixel* from = source.data + channels[c] * source.channel_stride + y * source.row_stride +
                            x * source.column_stride;
        Pixel taken[BLOCK];
        if (source.column_stride != 1) {
            lines::take(from, source.column_stride, size, taken);
            from = taken;
        }
        convert(from, size, to);
    }

    CZENGINE_INLINE void block(std::ptrdiff_t y, std::ptrdiff_t x, std::ptrdiff_t size) const noexcept {
        const auto count = static_cast<std::ptrdiff_t>(channels.size());
        const bool planar = out.column_stride == 1;
        const bool woven = !planar && out.channel_stride == 1 && out.column_stride == count && count <= GROUP;
        Value* place = out.data + y * out.row_stride + x * out.column_stride;
        Value values[GROUP * BLOCK];
        for (std::ptrdiff_t c = 0; c < count; ++c) {
            Value* to = place + c * out.channel_stride;
            Value* here = planar ? to : woven ? values + c * BLOCK : values;
            line(static_cast<std::size_t>(c), y, x, size, here);
            if (!planar && !woven) lines::put(values, size, to, out.column_stride);
        }
        if (!woven) return;
        if (count == 2) lines::weave<2>(values, size, place);
        if (count == 3) lines::weave<3>(values, size, place);
        if (count == 4) lines::weave<4>(values, size, place);
    }

    CZENGINE_INLINE void all() const noexcept {
        const bool direct = source.column_stride == 1 && out.column_stride == 1; // needs no place in between
        const std::ptrdiff_t step = direct ? out.width : BLOCK;
        for (std::ptrdiff_t y = 0; y < out.height; ++y)
            for (std::ptrdiff_t x = 0; x < out.width; x += step) block(y, x, std::min(step, out.width - x));
    }
};

} // namespace

template <class Pixel>
CZENGINE_CLONED void gather(const Image<Pixel>& source, std::span<const std::int64_t> channels, double divisor,
                            float constant, const Input<float>& out) noexcept {
    Gather<Pixel, float, Scaling>{source, channels, Scaling{divisor}, constant, out}.all();
}

template <class Bits>
CZENGINE_CLONED void pick(const Image<Bits>& source, std::span<const std::int64_t> channels, Bits constant,
                          const Input<Bits>& out) noexcept {
    Gather<Bits, Bits, Copying>{source, channels, Copying{}, constant, out}.all();
}

using Channels = std::span<const std::int64_t>;

template void gather(const Image<Truth>&, Channels, double, float, const Input<float>&) noexcept;
template void gather(const Image<std::uint8_t>&, Channels, double, float, const Input<float>&) noexcept;
template void gather(const Image<std::uint16_t>&, Channels, double, float, const Input<float>&) noexcept;
template void gather(const Image<std::uint32_t>&, Channels, double, float, const Input<float>&) noexcept;
template void gather(const Image<std::uint64_t>&, Channels, double, float, const Input<float>&) noexcept;
template void gather(const Image<std::int8_t>&, Channels, double, float, const Input<float>&) noexcept;
template void gather(const Image<std::int16_t>&, Channels, double, float, const Input<float>&) noexcept;
template void gather(const Image<std::int32_t>&, Channels, double, float, const Input<float>&) noexcept;
template void gather(const Image<std::int64_t>&, Channels, double, float, const Input<float>&) noexcept;
template void gather(const Image<float>&, Channels, double, float, const Input<float>&) noexcept;
template void gather(const Image<double>&, Channels, double, float, const Input<float>&) noexcept;

template void pick(const Image<std::uint8_t>&, Channels, std::uint8_t, const Input<std::uint8_t>&) noexcept;
template void pick(const Image<std::uint16_t>&, Channels, std::uint16_t, const Input<std::uint16_t>&) noexcept;
template void pick(const Image<std::uint32_t>&, Channels, std::uint32_t, const Input<std::uint32_t>&) noexcept;
template void pick(const Image<std::uint64_t>&, Channels, std::uint64_t, const Input<std::uint64_t>&) noexcept;

} // namespace czengine
