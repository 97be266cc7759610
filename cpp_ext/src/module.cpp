// czengine._native: the Python face of core/. Checks shapes and indices, drops the GIL, calls; computes nothing.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "core/gather.hpp"
#include "core/stitch.hpp"

namespace nb = nanobind;

namespace {

template <class T, std::size_t Rank>
using Strided = nb::ndarray<T, nb::numpy, nb::ndim<Rank>, nb::device::cpu>;

template <class T>
using Vector = nb::ndarray<T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

using Indices = Vector<const std::int64_t>;

// ---------------------------------------------------------------------------------------------- checks

using Shape = std::vector<std::size_t>;

template <class Array>
Shape shape_of(const Array& array) {
    return {array.shape_ptr(), array.shape_ptr() + array.ndim()};
}

std::string words(const Shape& shape) {
    std::string sizes;
    for (const std::size_t size : shape) sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
    return "(" + sizes + (shape.size() == 1 ? ",)" : ")");
}

void require_shape(const std::string& name, const Shape& got, const Shape& wanted) {
    if (got != wanted)
        throw nb::value_error((name + " has shape " + words(got) + ", " + words(wanted) + " is needed").c_str());
}

void require_inside(const std::string& name, const Indices& indices, std::size_t size, std::int64_t lowest) {
    if (indices.size() == 0) return;
    const auto [first, last] = std::minmax_element(indices.data(), indices.data() + indices.size());
    if (*first < lowest || *last >= static_cast<std::int64_t>(size))
        throw nb::index_error((name + " run from " + std::to_string(*first) + " to " + std::to_string(*last) +
                               " in an axis of " + std::to_string(size))
                                  .c_str());
}

// ---------------------------------------------------------------------------------------------- gather

std::span<const std::int64_t> span_of(const Indices& indices) { return {indices.data(), indices.size()}; }

template <class Pixel>
void gather(Strided<const Pixel, 3> source, Indices channels, Indices rows, Indices columns, double divisor,
            double constant, Strided<float, 3> out) {
    require_shape("out", shape_of(out), {rows.size(), columns.size(), channels.size()});
    require_inside("channels", channels, source.shape(0), czengine::OPAQUE);
    require_inside("rows", rows, source.shape(1), 0);
    require_inside("columns", columns, source.shape(2), 0);

    using Stored = std::conditional_t<std::is_same_v<Pixel, bool>, czengine::Truth, Pixel>;
    const czengine::Image<Stored> image{reinterpret_cast<const Stored*>(source.data()), source.stride(0),
                                        source.stride(1), source.stride(2)};
    const czengine::Selection selection{span_of(channels), span_of(rows), span_of(columns)};
    const czengine::Input input{out.data(), out.stride(0), out.stride(1), out.stride(2)};
    const nb::gil_scoped_release unlocked;
    czengine::gather(image, selection, divisor, static_cast<float>(constant), input);
}

const char* const GATHER =
    "Cut one tile: ``out[y, x, c] = float32(source[channels[c], rows[y], columns[x]] / divisor)``.\n\n"
    "As `czengine.kernels.base.Kernels.gather`, for these types only and without conversions.";

template <class... Pixel>
void define_gather(nb::module_& module) {
    (module.def("gather", &gather<Pixel>, nb::arg("source").noconvert(), nb::arg("channels").noconvert(),
                nb::arg("rows").noconvert(), nb::arg("columns").noconvert(), nb::arg("divisor"),
                nb::arg("constant"), nb::arg("out").noconvert(), GATHER),
     ...);
}

// ---------------------------------------------------------------------------------------------- stitch

template <class Score, class Label>
void argmax(Strided<const Score, 3> scores, Vector<const Label> labels, double min_confidence,
            Strided<Label, 2> out) {
    require_shape("out", shape_of(out), {scores.shape(0), scores.shape(1)});
    require_shape("labels", shape_of(labels), {scores.shape(2)});
    if (labels.size() == 0) throw nb::value_error("scores have no classes, at least 1 is needed");

    const auto size = [&](std::size_t axis) { return static_cast<std::ptrdiff_t>(scores.shape(axis)); };
    const czengine::Scores<Score> tile{scores.data(),    size(0),          size(1),         size(2),
                                       scores.stride(0), scores.stride(1), scores.stride(2)};
    const nb::gil_scoped_release unlocked;
    czengine::argmax(tile, labels.data(), min_confidence,
                     czengine::Labels<Label>{out.data(), out.stride(0), out.stride(1)});
}

const char* const ARGMAX =
    "Paste the best class of each pixel: ``out[y, x] = labels[argmax(scores[y, x, :])]``.\n\n"
    "As `czengine.kernels.base.Kernels.argmax`, for these types only and without conversions.";

template <class Score, class Label>
void define_argmax(nb::module_& module) {
    module.def("argmax", &argmax<Score, Label>, nb::arg("scores").noconvert(), nb::arg("labels").noconvert(),
               nb::arg("min_confidence"), nb::arg("out").noconvert(), ARGMAX);
}

} // namespace

NB_MODULE(_native, module) {
    module.doc() = "The kernels in C++. `czengine.kernels.native` is the way in.";
    define_gather<std::uint8_t, std::uint16_t, float, bool, std::uint32_t, std::uint64_t, std::int8_t, std::int16_t,
                  std::int32_t, std::int64_t, double>(module);
    define_argmax<float, std::uint8_t>(module);
    define_argmax<float, std::uint16_t>(module);
    define_argmax<double, std::uint8_t>(module);
    define_argmax<double, std::uint16_t>(module);
}
