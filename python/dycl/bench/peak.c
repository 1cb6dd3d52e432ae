// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The limits of one core: how many f32 operations it can do at most, and how fast it reads. machine.py compiles this
// with the machine's own C compiler, for its own vectors, and runs it:
//
//     cc -O3 -march=native peak.c -o peak && ./peak L2_BYTES MEMORY_BYTES
//
// It prints JSON. Each number is of short bursts, of which the best counts: others share the machine, and a peak is
// what nothing exceeds.

#define _POSIX_C_SOURCE 200112L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define HAS_32_REGISTERS 1
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else // NEON, SSE, a vector extension of RISC-V
#define VECTOR_BYTES 16
#endif
#if defined(__aarch64__) || defined(__riscv)
#define HAS_32_REGISTERS 1
#endif

typedef float vec __attribute__((vector_size(VECTOR_BYTES)));

// Accumulators that do not depend on each other hide the latency of an FMA: 4 or 5 cycles times 2 to 4 units. They and
// two operands have to fit into the registers.
#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#if defined(HAS_32_REGISTERS)
#define EACH(X) TWELVE(X) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23)
#define N_ACCUMULATORS 24
#else
#define EACH(X) TWELVE(X)
#define N_ACCUMULATORS 12
#endif

// Each trip of the loop stays as it is: without this, a compiler may see what the loop comes to.
#if defined(__AVX512F__)
#define KEEP(i) __asm__ volatile("" : "+v"(a##i));
#elif defined(__x86_64__)
#define KEEP(i) __asm__ volatile("" : "+x"(a##i));
#elif defined(__aarch64__)
#define KEEP(i) __asm__ volatile("" : "+w"(a##i));
#else
#define KEEP(i)
#endif

static volatile float sink;   // What is computed is used.
static volatile float source; // ... and not known before.

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static vec splat(float x) {
  vec v;
  for (size_t i = 0; i < sizeof(vec) / sizeof(float); ++i)
    v[i] = x;
  return v;
}

// Seconds for `n` times N_ACCUMULATORS FMAs.
static double fma_burst(long n) {
  const vec b = splat(0.999f + source), c = splat(0.001f + source);
#define DECLARE(i) vec a##i = splat((float)i + source);
  EACH(DECLARE)
  const double start = now();
  for (long i = 0; i < n; ++i) {
#define STEP(i) a##i = a##i * b + c;
    EACH(STEP)
    EACH(KEEP)
  }
  const double seconds = now() - start;
  vec sum = splat(0);
#define ADD(i) sum += a##i;
  EACH(ADD)
  for (size_t i = 0; i < sizeof(vec) / sizeof(float); ++i)
    sink += sum[i];
  return seconds;
}

// Seconds to read a buffer once.
static double read_burst(const vec *data, size_t n) {
#define ZERO(i) vec r##i = splat(0);
  TWELVE(ZERO)
  const double start = now();
  for (size_t at = 0; at + 12 <= n; at += 12) {
#define LOAD(i) r##i += data[at + i];
    TWELVE(LOAD)
  }
  const double seconds = now() - start;
  vec sum = splat(0);
#define TOTAL(i) sum += r##i;
  TWELVE(TOTAL)
  sink += sum[0];
  return seconds;
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double gflops(double *median) {
  enum { N = 300 };
  double rates[N];
  long n = 1000;
  while (fma_burst(n) < 5e-4) // half a millisecond
    n *= 2;
  for (int i = 0; i < N; ++i)
    rates[i] = 2e-9 * (double)n * N_ACCUMULATORS * (VECTOR_BYTES / sizeof(float)) / fma_burst(n);
  qsort(rates, N, sizeof(double), by_size);
  *median = rates[N / 2];
  return rates[N - 1];
}

// The best GB/s of `times` readings of a buffer; 0 where there is no such memory.
static double gbps(size_t bytes, int times) {
  void *data;
  if (posix_memalign(&data, 64, bytes))
    return 0;
  memset(data, 0, bytes);
  double best = 0;
  for (int i = 0; i < times; ++i) {
    const double rate = 1e-9 * (double)bytes / read_burst(data, bytes / sizeof(vec));
    best = rate > best ? rate : best;
  }
  free(data);
  return best;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: %s L2_BYTES MEMORY_BYTES\n", argv[0]);
    return 2;
  }
  double median;
  const double peak = gflops(&median);
  const double l2 = gbps(strtoul(argv[1], NULL, 10), 2000), memory = gbps(strtoul(argv[2], NULL, 10), 8);
  printf("{\"gflops\": %.2f, \"median_gflops\": %.2f, \"l2_gbps\": %.2f, \"memory_gbps\": %.2f, \"vector_bits\": %d}\n",
         peak, median, l2, memory, 8 * VECTOR_BYTES);
  return 0;
}
