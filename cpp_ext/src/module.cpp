// czengine._native: the Python face of core/. Checks shapes, drops the GIL, calls; computes nothing.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <string>

#include "core/stitch.hpp"

namespace nb = nanobind;

namespace {

template <class T, std::size_t Rank>
using Strided = nb::ndarray<T, nb::numpy, nb::ndim<Rank>, nb::device::cpu>;

template <class T>
using Vector = nb::ndarray<T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class Array>
std::string shape_of(const Array& array) {
    std::string text = "(";
    for (std::size_t axis = 0; axis < array.ndim(); ++axis)
        text += (axis ? ", " : "") + std::to_string(array.shape(axis));
    return text + (array.ndim() == 1 ? ",)" : ")");
}

void require(bool agree, const char* what, const std::string& got, const std::string& scores) {
    if (!agree) throw nb::value_error((std::string(what) + " has shape " + got + ", scores have " + scores).c_str());
}

template <class Score, class Label>
void argmax(Strided<const Score, 3> scores, Vector<const Label> labels, double min_confidence,
            Strided<Label, 2> out) {
    const bool one_value_each = labels.shape(0) == scores.shape(2) && scores.shape(2) > 0;
    const bool same_plane = out.shape(0) == scores.shape(0) && out.shape(1) == scores.shape(1);
    require(one_value_each, "labels", shape_of(labels), shape_of(scores));
    require(same_plane, "out", shape_of(out), shape_of(scores));

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
    define_argmax<float, std::uint8_t>(module);
    define_argmax<float, std::uint16_t>(module);
    define_argmax<double, std::uint8_t>(module);
    define_argmax<double, std::uint16_t>(module);
}
