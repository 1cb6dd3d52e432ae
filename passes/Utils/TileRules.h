//===- TileRules.h - Tiles that suit a CPU's vector unit --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one table of tile sizes, by facts of the target. A tile keeps its results in registers: a block of channels (the
// columns of a product) times some pixels (its rows), one multiply-add each for a vector of weights that is read once
// and a number of the input that is broadcast.
//
// Measured with AVX-512 on AMD Zen 5: alone in a dispatch products reach 94 to 97% of the FMA peak and 3x3
// convolutions of 16 to 512 channels 76 to 99%; as regions of a program, with the call and the border of the input,
// 84 to 93% and 55 to 91% (test/benchmarks/tiles.py); as Winograd convolutions 1.3 to 3 times as fast as that. On
// Intel Sapphire Rapids by hand 75 to 90%; there 16 rows x 32 columns spill. With AVX2 70 to 95% of its peak on AMD.
// For NEON read off the assembly only.
//
//===----------------------------------------------------------------------===//

#ifndef PASSES_UTILS_TILERULES_H
#define PASSES_UTILS_TILERULES_H

#include <algorithm>
#include <cstdint>
#include <optional>

namespace dycl {

/// The largest divisor of `size` that is at most `most`.
inline int64_t findDivisor(int64_t size, int64_t most) {
  for (int64_t divisor = std::min(size, most); divisor > 1; --divisor)
    if (size % divisor == 0)
      return divisor;
  return 1;
}

/// Equal tiles of a dimension. Where they do not divide it, the last one is shifted back, and computes some again.
struct Tiling {
  int64_t size, tile;

  int64_t count() const { return (size + tile - 1) / tile; }
  bool isExact() const { return size % tile == 0; }
  int64_t lastOffset() const { return size - tile; }
};

/// The fewest equal tiles of at most `most`.
inline Tiling tileEvenly(int64_t size, int64_t most) {
  int64_t count = (size + most - 1) / most;
  return {size, (size + count - 1) / count};
}

/// Tiles of at most `most` by a divisor, unless that is small and equal tiles are larger.
inline Tiling tileWithin(int64_t size, int64_t most) {
  int64_t divisor = findDivisor(size, most);
  Tiling even = tileEvenly(size, most);
  return 2 * divisor >= even.tile ? Tiling{size, divisor} : even;
}

/// Pixels of an image.
struct PixelTile {
  int64_t height, width;
};

/// What the transformed weights of a Winograd convolution may take: 4 times, or 1.8 times what the weights take. Above,
/// reading them is what the convolution takes.
inline constexpr int64_t kWinogradWeightBytes = 16 << 20;

/// What IREE lets a dispatch have on the stack.
inline constexpr int64_t kStackBytes = 32 << 10;

/// The vector unit of a CPU.
class VectorUnit {
public:
  /// `bits` of a register, and how many registers there are; none for a unit without rules.
  static std::optional<VectorUnit> get(unsigned bits, unsigned registers) {
    if (bits == 512 && registers >= 32)
      return VectorUnit(16, /*accumulators=*/28);
    if (bits == 256 && registers >= 16)
      return VectorUnit(8, /*accumulators=*/12);
    if (bits == 128 && registers >= 32)
      return VectorUnit(4, /*accumulators=*/16); // 28 spill on a Cortex-A72.
    return std::nullopt;
  }

  /// How many output channels a block has, of `channels`; none where there are too few for a vector. Two vectors of
  /// weights for each number of the input that is broadcast, unless the last block would compute many again.
  std::optional<int64_t> getBlock(int64_t channels) const {
    if (channels < lanes)
      return std::nullopt;
    int64_t two = Tiling{channels, 2 * lanes}.count() * 2 * lanes, one = Tiling{channels, lanes}.count() * lanes;
    return channels >= 2 * lanes && two <= one + one / 16 ? 2 * lanes : lanes;
  }

  /// The same for the columns of a product, where one row is bound by the latency of multiply-adds, four cycles each,
  /// unless there are four independent ones: 256 x 512 from L2 takes 3.6 us in blocks of two vectors, 2.3 in those of
  /// four, which is what L2 gives. Many rows take the same time in both. For AVX2 four vectors leave too few rows (113
  /// GFLOP/s, not 128). Other numbers of vectors than powers of two end in scalar code.
  std::optional<int64_t> getColumnBlock(int64_t columns) const {
    std::optional<int64_t> block = getBlock(columns);
    int64_t four = 4 * lanes;
    if (!block || accumulators < 24 || columns < four)
      return block;
    int64_t computed = Tiling{columns, *block}.count() * *block;
    return Tiling{columns, four}.count() * four <= computed + computed / 8 ? four : *block;
  }

  /// The block of fewer output channels than a vector has numbers: a part of a vector, the rest of which zeros fill.
  int64_t getNarrowBlock(int64_t channels) const {
    int64_t block = 4;
    while (block < channels)
      block *= 2;
    return block;
  }

  /// The most pixels, or rows, of a tile with `block` channels: more than two vectors of weights take registers too.
  int64_t getMostRows(int64_t block) const {
    int64_t vectors = (block + lanes - 1) / lanes;
    return std::clamp<int64_t>(std::min(accumulators, accumulators + 2 - vectors) / vectors, 1, 14);
  }

  /// Whether registers hold the results of a tile of `rows` rows with `block` channels.
  bool holdsResults(int64_t rows, int64_t block) const { return rows * ((block + lanes - 1) / lanes) <= accumulators; }

  /// How to tile a row of `width` pixels: by a divisor, unless that is small and equal tiles are larger.
  Tiling getRowTiling(int64_t width, int64_t block) const { return tileWithin(width, getMostRows(block)); }

  /// The tile of an image of which registers hold a vector of sums a pixel, by an estimate of cycles: multiply-adds,
  /// of which at least twelve keep a core busy, and what `getNumRead` says a tile reads for them, of
  /// three columns of a kernel. Tiles that do not divide compute some again.
  template <typename Function> PixelTile getPixelTile(int64_t height, int64_t width, Function getNumRead) const {
    PixelTile best = {1, 1};
    int64_t least = 0;
    for (int64_t h = 1; h <= std::min(height, accumulators); ++h)
      for (int64_t w = 1; w <= std::min(width, accumulators / h); ++w) {
        int64_t tiles = Tiling{height, h}.count() * Tiling{width, w}.count();
        int64_t cost = tiles * (3 * std::max<int64_t>(h * w, 12) + getNumRead(PixelTile{h, w}));
        if (least == 0 || cost < least) {
          least = cost;
          best = {h, w};
        }
      }
    return best;
  }

  /// Whether one instruction gives the larger of two numbers, or NaN where one of them is: fmax of Arm, none of x86.
  bool hasMaximum() const { return lanes == 4; }

  /// f32 a register.
  int64_t getLanes() const { return lanes; }

  /// How many outputs of a row a tile of a Winograd convolution of 3x3 computes, 4 or 2; none where the convolution
  /// itself is as fast. By an estimate of multiply-adds, transforms, weights that are read from beyond the caches, and
  /// the second dispatch, all as floating-point operations.
  std::optional<int64_t> getWinogradTile(int64_t images, int64_t height, int64_t width, int64_t channels,
                                         int64_t features) const {
    double kernels = double(channels) * features;
    auto estimate = [&](double products, double weights, double others) {
      return 2 * products * kernels + weights * kernels * 4 * lanes * 5 / 8 + others;
    };
    double best = estimate(images * height * width * 9 * 1.08, 9, 0) / 1.1;
    std::optional<int64_t> chosen;
    for (int64_t tile : {4, 2}) {
      int64_t elements = (tile + 2) * (tile + 2);
      if (height < tile || width < tile || elements * channels * features * 4 > kWinogradWeightBytes)
        continue;
      double tiles = double(images) * Tiling{height, tile}.count() * Tiling{width, tile}.count() * elements;
      double cost = estimate(tiles, elements, tiles * (channels + features) * 24 + lanes * 16000);
      if (cost < best) {
        best = cost;
        chosen = tile;
      }
    }
    return chosen;
  }

  /// How many of `tiles` of a Winograd convolution are computed at a time, with `block` channels: what they take of the
  /// stack, `elements` numbers a tile and channel, is at most what IREE allows a dispatch.
  Tiling getWinogradTiling(int64_t tiles, int64_t block, int64_t elements) const {
    int64_t most = std::min(getMostRows(block), std::max<int64_t>(kStackBytes / (elements * block * 4), 1));
    return tileWithin(tiles, most);
  }

private:
  VectorUnit(int64_t lanes, int64_t accumulators) : lanes(lanes), accumulators(accumulators) {}

  /// f32 a register; the registers that may hold results.
  int64_t lanes, accumulators;
};

/// What of a workgroup's input should stay in the L2 cache while it goes over the weights.
inline constexpr int64_t kCachedBytes = 512 << 10;

/// The most of a result that a workgroup keeps before it stores a part of its channels.
inline constexpr int64_t kBufferBytes = kStackBytes / 2;

/// Rows from which on an image of one block of channels is divided among two workgroups, so that two threads find work.
inline constexpr int64_t kDividedRows = 8;

/// How many input channels of a convolution are unrolled.
inline constexpr int64_t kUnrolledChannels = 4;

} // namespace dycl

#endif // PASSES_UTILS_TILERULES_H
