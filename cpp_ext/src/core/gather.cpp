#include "core/gather.hpp"

namespace czengine {

namespace {

template <class Pixel>
double number(Pixel pixel) noexcept {
    return static_cast<double>(pixel);
}

double number(Truth pixel) noexcept { return pixel == Truth{0} ? 0.0 : 1.0; }

} // namespace

template <class Pixel>
void gather(const Image<Pixel>& source, const Selection& selection, double divisor, float constant,
            const Input& out) noexcept {
    const auto& [channels, rows, columns] = selection;
    for (std::size_t c = 0; c < channels.size(); ++c) {
        for (std::size_t y = 0; y < rows.size(); ++y) {
            float* line = out.data + c * out.channel_stride + y * out.row_stride;
            if (channels[c] == OPAQUE) {
                for (std::size_t x = 0; x < columns.size(); ++x) line[x * out.column_stride] = constant;
                continue;
            }
            const Pixel* row = source.data + channels[c] * source.channel_stride + rows[y] * source.row_stride;
            for (std::size_t x = 0; x < columns.size(); ++x)
                line[x * out.column_stride] =
                    static_cast<float>(number(row[columns[x] * source.column_stride]) / divisor);
        }
    }
}

template void gather(const Image<Truth>&, const Selection&, double, float, const Input&) noexcept;
template void gather(const Image<std::uint8_t>&, const Selection&, double, float, const Input&) noexcept;
template void gather(const Image<std::uint16_t>&, const Selection&, double, float, const Input&) noexcept;
template void gather(const Image<std::uint32_t>&, const Selection&, double, float, const Input&) noexcept;
template void gather(const Image<std::uint64_t>&, const Selection&, double, float, const Input&) noexcept;
template void gather(const Image<std::int8_t>&, const Selection&, double, float, const Input&) noexcept;
template void gather(const Image<std::int16_t>&, const Selection&, double, float, const Input&) noexcept;
template void gather(const Image<std::int32_t>&, const Selection&, double, float, const Input&) noexcept;
template void gather(const Image<std::int64_t>&, const Selection&, double, float, const Input&) noexcept;
template void gather(const Image<float>&, const Selection&, double, float, const Input&) noexcept;
template void gather(const Image<double>&, const Selection&, double, float, const Input&) noexcept;

} // namespace czengine
