// Lines of pixels: from strided or interleaved to one after the other, and back. Shared by gather and stitch.
//
// Loops here are plain and know their steps when compiled, so that compilers make vectors of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

// Two versions of a function, for every x86-64 and for those with AVX2; the one that fits the machine is picked when
// the library is loaded. CMakeLists.txt tries whether the compiler can. Same operations, same bits.
#ifdef CZENGINE_CLONES
#define CZENGINE_CLONED [[gnu::target_clones("default", "avx2")]]
#else
#define CZENGINE_CLONED
#endif

// What a cloned function calls has to become part of it, or it is not cloned.
#if defined(__GNUC__)
#define CZENGINE_INLINE [[gnu::always_inline]] inline
#else
#define CZENGINE_INLINE inline
#endif

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define CZENGINE_SHUFFLES
#endif
#endif

namespace czengine::lines {

constexpr std::ptrdiff_t BLOCK = 512; // pixels: a few planes of them fit the fastest cache
constexpr std::ptrdiff_t GROUP = 4;   // planes handled together

template <std::ptrdiff_t Step, class T>
CZENGINE_INLINE void take_every(const T* __restrict from, std::ptrdiff_t size, T* __restrict to) noexcept {
    for (std::ptrdiff_t x = 0; x < size; ++x) to[x] = from[x * Step];
}

// to[x] = from[x * step]
template <class T>
CZENGINE_INLINE void take(const T* __restrict from, std::ptrdiff_t step, std::ptrdiff_t size,
                          T* __restrict to) noexcept {
    switch (step) {
    case 1: std::memcpy(to, from, static_cast<std::size_t>(size) * sizeof(T)); return;
    case 2: take_every<2>(from, size, to); return;
    case 3: take_every<3>(from, size, to); return;
    case 4: take_every<4>(from, size, to); return;
    default:
        for (std::ptrdiff_t x = 0; x < size; ++x) to[x] = from[x * step];
    }
}

// to[x * step] = from[x]
template <class T>
CZENGINE_INLINE void put(const T* __restrict from, std::ptrdiff_t size, T* __restrict to,
                         std::ptrdiff_t step) noexcept {
    for (std::ptrdiff_t x = 0; x < size; ++x) to[x * step] = from[x];
}

// to[x * Count + k] = from[k * BLOCK + x]: planes become one interleaved line
template <std::ptrdiff_t Count, class T>
CZENGINE_INLINE void weave(const T* __restrict from, std::ptrdiff_t size, T* __restrict to) noexcept {
    for (std::ptrdiff_t x = 0; x < size; ++x)
        for (std::ptrdiff_t k = 0; k < Count; ++k) to[x * Count + k] = from[k * BLOCK + x];
}

// to[k * BLOCK + x] = from[x * Count + k]: an interleaved line becomes planes
template <std::ptrdiff_t Count, class T>
CZENGINE_INLINE void unweave(const T* __restrict from, std::ptrdiff_t size, T* __restrict to) noexcept {
    for (std::ptrdiff_t x = 0; x < size; ++x)
        for (std::ptrdiff_t k = 0; k < Count; ++k) to[k * BLOCK + x] = from[x * Count + k];
}

// The same for the first GROUP of more interleaved planes, `step` in all.
template <class T>
CZENGINE_INLINE void unweave_group(const T* __restrict from, std::ptrdiff_t step, std::ptrdiff_t size,
                                   T* __restrict to) noexcept {
    std::ptrdiff_t x = 0;
#ifdef CZENGINE_SHUFFLES
    if constexpr (sizeof(T) == 4) { // compilers find the transposition of 4 x 4 only when told
        typedef T Four __attribute__((vector_size(16)));
        Four a, b, c, d;
        for (; x + 4 <= size; x += 4) {
            std::memcpy(&a, from + x * step, sizeof a);
            std::memcpy(&b, from + (x + 1) * step, sizeof b);
            std::memcpy(&c, from + (x + 2) * step, sizeof c);
            std::memcpy(&d, from + (x + 3) * step, sizeof d);
            const Four ab01 = __builtin_shufflevector(a, b, 0, 4, 1, 5);
            const Four ab23 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            const Four cd01 = __builtin_shufflevector(c, d, 0, 4, 1, 5);
            const Four cd23 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            a = __builtin_shufflevector(ab01, cd01, 0, 1, 4, 5);
            b = __builtin_shufflevector(ab01, cd01, 2, 3, 6, 7);
            c = __builtin_shufflevector(ab23, cd23, 0, 1, 4, 5);
            d = __builtin_shufflevector(ab23, cd23, 2, 3, 6, 7);
            std::memcpy(to + x, &a, sizeof a);
            std::memcpy(to + BLOCK + x, &b, sizeof b);
            std::memcpy(to + 2 * BLOCK + x, &c, sizeof c);
            std::memcpy(to + 3 * BLOCK + x, &d, sizeof d);
        }
    }
#endif
    for (; x < size; ++x)
        for (std::ptrdiff_t k = 0; k < GROUP; ++k) to[k * BLOCK + x] = from[x * step + k];
}

} // namespace czengine::lines
