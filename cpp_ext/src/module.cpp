// czengine._native: the Python face of core/. Looks at types, shapes and indices, drops the GIL, calls; computes
// nothing.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "core/gather.hpp"
#include "core/stitch.hpp"
#include "core/survey.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

// Arrays of any type: looking for it here is faster than having nanobind try one overload per type.
template <std::size_t Rank>
using Given = nb::ndarray<nb::numpy, nb::ro, nb::ndim<Rank>, nb::device::cpu>;

template <std::size_t Rank>
using Filled = nb::ndarray<nb::numpy, nb::ndim<Rank>, nb::device::cpu>;

using Indices = nb::ndarray<nb::numpy, const std::int64_t, nb::ndim<1>, nb::device::cpu>;

// ---------------------------------------------------------------------------------------------- checks

using Shape = std::vector<std::size_t>;

std::string words(const Shape& shape) {
    std::string sizes;
    for (const std::size_t size : shape) sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
    return "(" + sizes + (shape.size() == 1 ? ",)" : ")");
}

std::string words(nb::dlpack::dtype type) {
    if (type == nb::dtype<bool>()) return "bool";
    const char* const kinds[] = {"int", "uint", "float", "handle", "bfloat", "complex"}; // by their codes in DLPack
    return (type.code < std::size(kinds) ? kinds[type.code] : "type") + std::to_string(type.bits);
}

template <class Array>
void require_shape(const char* name, const Array& array, const Shape& wanted) {
    const Shape got{array.shape_ptr(), array.shape_ptr() + array.ndim()};
    if (got == wanted) return;
    throw nb::value_error((name + (" has shape " + words(got)) + ", " + words(wanted) + " is needed").c_str());
}

// Calls `use` with a value of the type that `array` has, one of `Types`.
template <class... Types, class Array, class Use>
void with_type(const char* name, const Array& array, Use&& use) {
    if (((array.dtype() == nb::dtype<Types>() && (use(Types{}), true)) || ...)) return;
    throw nb::type_error((std::string(name) + " is of " + words(array.dtype()) + ", needed is one of" +
                          ((" " + words(nb::dtype<Types>())) + ...))
                             .c_str());
}

template <class Array, class Type>
void require_type(const char* name, const Array& array, Type) {
    with_type<Type>(name, array, [](Type) {});
}

template <class Array>
std::ptrdiff_t size(const Array& array, std::size_t axis) {
    return static_cast<std::ptrdiff_t>(array.shape(axis));
}

// ---------------------------------------------------------------------------------------------- gather

template <class Pixel>
czengine::Image<Pixel> image_of(const Given<3>& pixels) {
    return {static_cast<const Pixel*>(pixels.data()), pixels.stride(0), pixels.stride(1), pixels.stride(2)};
}

template <class Value>
czengine::Input<Value> input_of(const Filled<3>& out) {
    return {static_cast<Value*>(out.data()), size(out, 0),  size(out, 1),
            out.stride(0),                   out.stride(1), out.stride(2)};
}

std::vector<std::int64_t> checked(const Indices& channels, std::size_t size) {
    std::vector<std::int64_t> copied(channels.shape(0));
    for (std::size_t c = 0; c < copied.size(); ++c) copied[c] = channels(c);
    if (copied.empty()) return copied;
    const auto [first, last] = std::minmax_element(copied.begin(), copied.end());
    if (*first < czengine::OPAQUE || *last >= static_cast<std::int64_t>(size))
        throw nb::index_error(("channels run from " + std::to_string(*first) + " to " + std::to_string(*last) +
                               " in an axis of " + std::to_string(size))
                                  .c_str());
    return copied;
}

// Integers of the size of an element: what copying and comparing bits needs to know of a type.
template <std::size_t Size>
struct BitsOf;
template <>
struct BitsOf<1> { using Type = std::uint8_t; };
template <>
struct BitsOf<2> { using Type = std::uint16_t; };
template <>
struct BitsOf<4> { using Type = std::uint32_t; };
template <>
struct BitsOf<8> { using Type = std::uint64_t; };

template <class Type>
using Bits = typename BitsOf<sizeof(Type)>::Type;

template <class Type>
Bits<Type> bits_of(double constant) {
    if constexpr (std::integral<Type> && !std::same_as<Type, bool>) {
        // as doubles: a limit of 64 bits is none, its neighbour is
        const bool fits = constant >= static_cast<double>(std::numeric_limits<Type>::min()) &&
                          constant < 2.0 * static_cast<double>(std::numeric_limits<Type>::max() / 2 + 1);
        if (!fits)
            throw nb::value_error(("constant is " + std::to_string(constant) + ", which " + words(nb::dtype<Type>()) +
                                   " does not hold")
                                      .c_str());
    }
    return std::bit_cast<Bits<Type>>(static_cast<Type>(constant));
}

template <class Type>
void pick(const Given<3>& source, const std::vector<std::int64_t>& channels, double divisor, double constant,
          const Filled<3>& out) {
    require_type("out", out, Type{});
    if (divisor != 1.0)
        throw nb::value_error(("divisor is " + std::to_string(divisor) + ", 1.0 is needed for a copy of " +
                               words(source.dtype()))
                                  .c_str());
    const Bits<Type> filler = bits_of<Type>(constant);
    const nb::gil_scoped_release unlocked;
    czengine::pick(image_of<Bits<Type>>(source), channels, filler, input_of<Bits<Type>>(out));
}

void gather(Given<3> source, Indices channels, double divisor, double constant, Filled<3> out) {
    require_shape("out", out, {source.shape(1), source.shape(2), channels.shape(0)});
    const std::vector<std::int64_t> indices = checked(channels, source.shape(0));
    with_type<std::uint8_t, std::uint16_t, float, bool, std::uint32_t, std::uint64_t, std::int8_t, std::int16_t,
              std::int32_t, std::int64_t, double>("source", source, [&](auto example) {
        using Pixel = decltype(example);
        using Stored = std::conditional_t<std::is_same_v<Pixel, bool>, czengine::Truth, Pixel>;
        if (out.dtype() != nb::dtype<float>()) return pick<Pixel>(source, indices, divisor, constant, out);
        const nb::gil_scoped_release unlocked;
        czengine::gather(image_of<Stored>(source), indices, divisor, static_cast<float>(constant),
                         input_of<float>(out));
    });
}

// ---------------------------------------------------------------------------------------------- stitch

template <class Score>
czengine::Scores<Score> scores_of(const Given<3>& scores) {
    return {static_cast<const Score*>(scores.data()), size(scores, 0),  size(scores, 1), size(scores, 2),
            scores.stride(0),                         scores.stride(1), scores.stride(2)};
}

template <class Label, class Array>
czengine::Labels<Label> labels_of(const Array& labels) {
    return {static_cast<Label*>(labels.data()), labels.stride(0), labels.stride(1)};
}

template <class Value>
czengine::Planes<Value> planes_of(const Filled<3>& out) {
    return {static_cast<Value*>(out.data()), out.stride(0), out.stride(1), out.stride(2)};
}

void argmax(Given<3> scores, Given<1> labels, double min_confidence, Filled<2> out) {
    require_shape("out", out, {scores.shape(0), scores.shape(1)});
    require_shape("labels", labels, {scores.shape(2)});
    if (labels.size() == 0) throw nb::value_error("scores have no classes, at least 1 is needed");
    with_type<std::uint8_t, std::uint16_t>("labels", labels, [&](auto label) {
        using Label = decltype(label);
        require_type("out", out, label);
        std::vector<Label> values(labels.size());
        for (std::size_t k = 0; k < values.size(); ++k)
            values[k] = static_cast<const Label*>(labels.data())[static_cast<std::ptrdiff_t>(k) * labels.stride(0)];
        with_type<float, double>("scores", scores, [&](auto score) {
            const nb::gil_scoped_release unlocked;
            czengine::argmax(scores_of<decltype(score)>(scores), values.data(), min_confidence,
                             labels_of<Label>(out));
        });
    });
}

void threshold(Given<3> scores, double limit, Filled<3> out) {
    require_shape("out", out, {scores.shape(2), scores.shape(0), scores.shape(1)});
    require_type("out", out, std::uint8_t{});
    with_type<float, double>("scores", scores, [&](auto score) {
        const nb::gil_scoped_release unlocked;
        czengine::threshold(scores_of<decltype(score)>(scores), limit, planes_of<std::uint8_t>(out));
    });
}

void copy(Given<3> scores, Filled<3> out) {
    require_shape("out", out, {scores.shape(2), scores.shape(0), scores.shape(1)});
    require_type("out", out, float{});
    with_type<float, double>("scores", scores, [&](auto score) {
        const nb::gil_scoped_release unlocked;
        czengine::copy(scores_of<decltype(score)>(scores), planes_of<float>(out));
    });
}

// ---------------------------------------------------------------------------------------------- survey

void count(Given<2> labels, Filled<1> counts) {
    require_type("counts", counts, std::int64_t{});
    with_type<std::uint8_t, std::uint16_t>("labels", labels, [&](auto label) {
        using Label = decltype(label);
        require_shape("counts", counts, {std::size_t{std::numeric_limits<Label>::max()} + 1});
        if (counts.stride(0) != 1) throw nb::value_error("counts are not one after the other in memory");
        const nb::gil_scoped_release unlocked;
        czengine::count(labels_of<const Label>(labels), size(labels, 0), size(labels, 1),
                        static_cast<std::int64_t*>(counts.data()));
    });
}

bool is_uniform(Given<3> pixels) {
    const auto look = [&](auto example) {
        const nb::gil_scoped_release unlocked;
        return czengine::is_uniform(image_of<decltype(example)>(pixels), size(pixels, 0), size(pixels, 1),
                                    size(pixels, 2));
    };
    switch (pixels.itemsize()) {
    case 1: return look(std::uint8_t{});
    case 2: return look(std::uint16_t{});
    case 4: return look(std::uint32_t{});
    case 8: return look(std::uint64_t{});
    }
    throw nb::type_error(("pixels are of " + words(pixels.dtype()) + ", at most 64 bits are needed").c_str());
}

} // namespace

// The signatures are spelled out for the stub: nanobind's own lack the type argument that mypy wants.
#define ARRAY(name) name ": numpy.typing.NDArray[typing.Any]"

NB_MODULE(_native, module) {
    module.doc() = "The kernels in C++, without conversions. `czengine.kernels.native` is the way in.";
    module.def("gather", &gather, "source"_a.noconvert(), "channels"_a.noconvert(), "divisor"_a, "constant"_a,
               "out"_a.noconvert(), "As `czengine.kernels.base.Kernels.gather`.",
               nb::sig("def gather(" ARRAY("source") ", channels: numpy.typing.NDArray[numpy.int64], "
                       "divisor: float, constant: float, " ARRAY("out") ") -> None"));
    module.def("argmax", &argmax, "scores"_a.noconvert(), "labels"_a.noconvert(), "min_confidence"_a,
               "out"_a.noconvert(), "As `czengine.kernels.base.Kernels.argmax`.",
               nb::sig("def argmax(" ARRAY("scores") ", " ARRAY("labels") ", min_confidence: float, "
                       ARRAY("out") ") -> None"));
    module.def("threshold", &threshold, "scores"_a.noconvert(), "limit"_a, "out"_a.noconvert(),
               "As `czengine.kernels.base.Kernels.threshold`.",
               nb::sig("def threshold(" ARRAY("scores") ", limit: float, " ARRAY("out") ") -> None"));
    module.def("copy", &copy, "scores"_a.noconvert(), "out"_a.noconvert(),
               "As `czengine.kernels.base.Kernels.copy`.",
               nb::sig("def copy(" ARRAY("scores") ", " ARRAY("out") ") -> None"));
    module.def("count", &count, "labels"_a.noconvert(), "counts"_a.noconvert(),
               "As `czengine.kernels.base.Kernels.count`.",
               nb::sig("def count(" ARRAY("labels") ", " ARRAY("counts") ") -> None"));
    module.def("is_uniform", &is_uniform, "pixels"_a.noconvert(),
               "As `czengine.kernels.base.Kernels.is_uniform`.",
               nb::sig("def is_uniform(" ARRAY("pixels") ") -> bool"));
}
