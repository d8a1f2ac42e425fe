#include "emulation/amx_trap.h"

#include <immintrin.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

// The library itself needs no special compiler flags.
#define TRAP_AVX2 __attribute__((target("avx2,fma"), noinline))

namespace ixc {
namespace {

constexpr int kTiles = 8;  // palette 1: 8 tiles of 16 rows of 64 bytes
constexpr int kMaxRows = 16;
constexpr int kMaxColumnBytes = 64;

struct alignas(64) Tile {
  uint8_t row[kMaxRows][kMaxColumnBytes];
};

// Zero-initialised, hence no constructor runs when the handler first touches it.
struct State {
  Tile tile[kTiles];
  uint16_t colsb[kTiles];
  uint8_t rows[kTiles];
  uint8_t palette;    // 0: not configured
  uint8_t start_row;  // only nonzero if LDTILECFG set it; load and store clear it
  uint64_t count;
};
thread_local State state;

std::atomic<bool> installed{false};
struct sigaction previous_action;

[[noreturn]] void Fault(const char* exception, const char* instruction, const char* why) {
  char text[200];
  int n = snprintf(text, sizeof text, "amx_trap: %s: %s: %s\n", exception, instruction, why);
  if (write(STDERR_FILENO, text, static_cast<size_t>(n)) < 0) _exit(134);
  abort();
}
[[noreturn]] void Undefined(const char* instruction, const char* why) {
  Fault("#UD", instruction, why);
}

struct Instruction {
  int length;
  uint8_t opcode;
  int prefix;        // 0 none, 1 66, 2 F3, 3 F2
  int vvvv;          // third register operand
  int mod, reg, rm;  // ModRM
  bool has_sib;
  uint8_t* address;  // without the index register where is_tile_memory
  int64_t stride;    // scaled index register, 0 if there is none
};

uint64_t Register(const ucontext_t* context, int number) {
  static constexpr int kOrder[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                     REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                     REG_R12, REG_R13, REG_R14, REG_R15};
  return static_cast<uint64_t>(context->uc_mcontext.gregs[kOrder[number]]);
}

int32_t Load32(const uint8_t* p) {
  int32_t value;
  memcpy(&value, p, 4);
  return value;
}

// Decodes a VEX instruction of map 0F38 with W = L = 0 and one of the AMX
// opcodes; returns false for everything else.
bool Decode(const ucontext_t* context, Instruction* out) {
  const auto* start = reinterpret_cast<const uint8_t*>(context->uc_mcontext.gregs[REG_RIP]);
  const uint8_t* p = start;
  uint64_t segment_base = 0;
  if (*p == 0x64) {  // FS: thread-local operand, e.g. a thread_local tile configuration
    asm("mov %%fs:0, %0" : "=r"(segment_base));
    ++p;
  }
  if (p[0] != 0xC4 || (p[1] & 0x1F) != 2) return false;
  const bool r = !(p[1] & 0x80), x = !(p[1] & 0x40), b = !(p[1] & 0x20);
  if (r || (p[2] & 0x84) != 0) return false;
  out->prefix = p[2] & 3;
  out->vvvv = (~p[2] >> 3) & 15;
  out->opcode = p[3];
  if (out->opcode != 0x49 && out->opcode != 0x4B && out->opcode != 0x5C && out->opcode != 0x5E) {
    return false;
  }
  out->mod = p[4] >> 6;
  out->reg = (p[4] >> 3) & 7;
  out->rm = p[4] & 7;
  p += 5;
  out->has_sib = false;
  out->address = nullptr;
  out->stride = 0;
  if (out->mod != 3) {
    uint64_t base = 0;
    bool rip_relative = false;
    int displacement_bytes = out->mod == 1 ? 1 : out->mod == 2 ? 4 : 0;
    if (out->rm == 4) {
      out->has_sib = true;
      const uint8_t sib = *p++;
      const int index = ((sib >> 3) & 7) | (x ? 8 : 0);
      if (index != 4) out->stride = static_cast<int64_t>(Register(context, index) << (sib >> 6));
      if ((sib & 7) == 5 && out->mod == 0) {
        displacement_bytes = 4;
      } else {
        base = Register(context, (sib & 7) | (b ? 8 : 0));
      }
    } else if (out->rm == 5 && out->mod == 0) {
      rip_relative = true;
      displacement_bytes = 4;
    } else {
      base = Register(context, out->rm | (b ? 8 : 0));
    }
    int64_t displacement = 0;
    if (displacement_bytes == 1) displacement = static_cast<int8_t>(*p);
    if (displacement_bytes == 4) displacement = Load32(p);
    p += displacement_bytes;
    if (rip_relative) base = reinterpret_cast<uint64_t>(p);
    out->address =
        reinterpret_cast<uint8_t*>(segment_base + base + static_cast<uint64_t>(displacement));
  }
  out->length = static_cast<int>(p - start);
  return true;
}

void Release() {
  const uint64_t count = state.count;
  memset(&state, 0, sizeof state);
  state.count = count;
}

void LoadConfig(const uint8_t* memory) {
  const auto bad = [](const char* why) { Fault("#GP", "ldtilecfg", why); };
  uint8_t config[64];
  memcpy(config, memory, sizeof config);
  if (config[0] > 1) bad("palette is neither 0 nor 1");
  Release();
  if (config[0] == 0) return;
  for (int i = 2; i < 64; ++i) {
    const bool used = (i >= 16 && i < 32) || (i >= 48 && i < 56);
    if (!used && config[i] != 0) bad("reserved byte is not zero");
  }
  for (int t = 0; t < kTiles; ++t) {
    memcpy(&state.colsb[t], config + 16 + 2 * t, 2);
    state.rows[t] = config[48 + t];
    if (state.colsb[t] > kMaxColumnBytes) bad("colsb > 64");
    if (state.rows[t] > kMaxRows) bad("rows > 16");
    if ((state.colsb[t] == 0) != (state.rows[t] == 0)) bad("only one of rows and colsb is zero");
  }
  state.palette = 1;
  state.start_row = config[1];
}

void StoreConfig(uint8_t* memory) {
  uint8_t config[64] = {};
  config[0] = state.palette;
  config[1] = state.start_row;
  memcpy(config + 16, state.colsb, sizeof state.colsb);
  memcpy(config + 48, state.rows, sizeof state.rows);
  memcpy(memory, config, sizeof config);
}

void CheckTile(const char* name, int tile) {
  if (state.palette == 0) Undefined(name, "tiles are not configured");
  if (tile >= kTiles || state.rows[tile] == 0) Undefined(name, "tile is not configured");
}

void CheckTileMemory(const char* name, const Instruction& in) {
  CheckTile(name, in.reg);
  if (!in.has_sib) Undefined(name, "no SIB byte");
  if (state.colsb[in.reg] % 4 != 0) Undefined(name, "colsb is not a multiple of 4");
  if (state.start_row >= state.rows[in.reg]) Undefined(name, "start_row is past the last row");
}

void LoadTile(const Instruction& in) {
  CheckTileMemory("tileloadd", in);
  Tile& tile = state.tile[in.reg];
  const int start = state.start_row;
  memset(tile.row[start], 0, sizeof tile.row[0] * static_cast<size_t>(kMaxRows - start));
  for (int r = start; r < state.rows[in.reg]; ++r) {
    memcpy(tile.row[r], in.address + r * in.stride, state.colsb[in.reg]);
  }
  state.start_row = 0;
}

void StoreTile(const Instruction& in) {
  CheckTileMemory("tilestored", in);
  for (int r = state.start_row; r < state.rows[in.reg]; ++r) {
    memcpy(in.address + r * in.stride, state.tile[in.reg].row[r], state.colsb[in.reg]);
  }
  state.start_row = 0;
}

// Dot products: C (m x n) += A (m x k) * B (k x n).
// Loads zero the bytes past colsb and the rows past rows, so the loops below may
// always work on 16 columns; only what belongs to C is written back.

void CheckDot(const char* name, int c, int a, int b) {
  CheckTile(name, c);
  CheckTile(name, a);
  CheckTile(name, b);
  if (c == a || c == b || a == b) Undefined(name, "the three tiles must differ");
  if ((state.colsb[c] | state.colsb[a] | state.colsb[b]) % 4 != 0) {
    Undefined(name, "colsb is not a multiple of 4");
  }
  if (state.rows[c] != state.rows[a]) Undefined(name, "C and A differ in rows");
  if (state.colsb[c] != state.colsb[b]) Undefined(name, "C and B differ in colsb");
  if (state.colsb[a] / 4 != state.rows[b]) Undefined(name, "A's colsb / 4 differs from B's rows");
}

void WriteRow(int tile, int row, const void* values) {
  memset(state.tile[tile].row[row], 0, kMaxColumnBytes);
  memcpy(state.tile[tile].row[row], values, state.colsb[tile]);
}

void FinishDot(int c) {
  for (int r = state.rows[c]; r < kMaxRows; ++r) memset(state.tile[c].row[r], 0, kMaxColumnBytes);
  state.start_row = 0;
}

// Byte j of every 32-bit element, sign- or zero-extended.
template <bool kSigned>
TRAP_AVX2 __m256i Byte(__m256i v, int j) {
  const __m256i top = _mm256_sll_epi32(v, _mm_cvtsi32_si128(24 - 8 * j));
  return kSigned ? _mm256_srai_epi32(top, 24) : _mm256_srli_epi32(top, 24);
}

// Sums of four products, added without saturation (modulo 2^32).
template <bool kSignedA, bool kSignedB>
TRAP_AVX2 void DotInt8(const char* name, int c, int a, int b) {
  CheckDot(name, c, a, b);
  const int depth = state.rows[b];
  __m256i planes[kMaxRows][4][2];
  for (int k = 0; k < depth; ++k) {
    const auto* row = reinterpret_cast<const __m256i*>(state.tile[b].row[k]);
    for (int j = 0; j < 4; ++j) {
      planes[k][j][0] = Byte<kSignedB>(_mm256_load_si256(row), j);
      planes[k][j][1] = Byte<kSignedB>(_mm256_load_si256(row + 1), j);
    }
  }
  for (int m = 0; m < state.rows[c]; ++m) {
    const auto* old = reinterpret_cast<const __m256i*>(state.tile[c].row[m]);
    __m256i sum[2] = {_mm256_load_si256(old), _mm256_load_si256(old + 1)};
    for (int k = 0; k < depth; ++k) {
      for (int j = 0; j < 4; ++j) {
        const uint8_t byte = state.tile[a].row[m][4 * k + j];
        const __m256i x = _mm256_set1_epi32(kSignedA ? static_cast<int8_t>(byte) : byte);
        for (int h = 0; h < 2; ++h) {
          sum[h] = _mm256_add_epi32(sum[h], _mm256_mullo_epi32(x, planes[k][j][h]));
        }
      }
    }
    WriteRow(c, m, sum);
  }
  FinishDot(c);
}

// As Intel's manual defines it: the even elements of the pairs and the odd ones
// have a chain of fused multiply-adds each, both from zero and in order of k;
// then the two sums are added, and that sum is added to C. Every step rounds to
// nearest even and treats denormal inputs and outputs as zero, whatever MXCSR
// says. (Which of several NaNs survives is not modelled.)
TRAP_AVX2 void DotBf16(int c, int a, int b) {
  CheckDot("tdpbf16ps", c, a, b);
  _mm_setcsr(0x9FC0);  // all masked, FTZ, DAZ, nearest; sigreturn restores the old value
  asm volatile("" ::: "memory");
  const __m256i high = _mm256_set1_epi32(static_cast<int>(0xFFFF0000u));
  for (int m = 0; m < state.rows[c]; ++m) {
    __m256 even[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    __m256 odd[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int k = 0; k < state.rows[b]; ++k) {
      const __m256i pair = _mm256_set1_epi32(Load32(state.tile[a].row[m] + 4 * k));
      const __m256 x0 = _mm256_castsi256_ps(_mm256_slli_epi32(pair, 16));
      const __m256 x1 = _mm256_castsi256_ps(_mm256_and_si256(pair, high));
      for (int h = 0; h < 2; ++h) {
        const __m256i y =
            _mm256_load_si256(reinterpret_cast<const __m256i*>(state.tile[b].row[k]) + h);
        even[h] = _mm256_fmadd_ps(x0, _mm256_castsi256_ps(_mm256_slli_epi32(y, 16)), even[h]);
        odd[h] = _mm256_fmadd_ps(x1, _mm256_castsi256_ps(_mm256_and_si256(y, high)), odd[h]);
      }
    }
    const auto* old = reinterpret_cast<const float*>(state.tile[c].row[m]);
    __m256 sum[2];
    for (int h = 0; h < 2; ++h) {
      sum[h] = _mm256_add_ps(_mm256_load_ps(old + 8 * h), _mm256_add_ps(even[h], odd[h]));
    }
    WriteRow(c, m, sum);
  }
  asm volatile("" ::: "memory");
  FinishDot(c);
}

// Returns false if the encoding is none of the twelve instructions.
bool Execute(const Instruction& in) {
  const bool memory = in.mod != 3;
  if (in.opcode == 0x49 && memory && in.reg == 0 && in.vvvv == 0) {
    if (in.prefix == 0) return LoadConfig(in.address + in.stride), true;
    if (in.prefix == 1) return StoreConfig(in.address + in.stride), true;
  } else if (in.opcode == 0x49 && !memory && in.vvvv == 0) {
    if (in.prefix == 0 && in.reg == 0 && in.rm == 0) return Release(), true;
    if (in.prefix == 3 && in.rm == 0) {
      CheckTile("tilezero", in.reg);
      memset(&state.tile[in.reg], 0, sizeof(Tile));
      state.start_row = 0;
      return true;
    }
  } else if (in.opcode == 0x4B && memory && in.vvvv == 0) {
    if (in.prefix == 3 || in.prefix == 1) return LoadTile(in), true;  // TILELOADD, TILELOADDT1
    if (in.prefix == 2) return StoreTile(in), true;
  } else if (in.opcode == 0x5C && !memory && in.prefix == 2) {
    return DotBf16(in.reg, in.rm, in.vvvv), true;
  } else if (in.opcode == 0x5E && !memory) {
    const int c = in.reg, a = in.rm, b = in.vvvv;
    if (in.prefix == 3) return DotInt8<true, true>("tdpbssd", c, a, b), true;
    if (in.prefix == 2) return DotInt8<true, false>("tdpbsud", c, a, b), true;
    if (in.prefix == 1) return DotInt8<false, true>("tdpbusd", c, a, b), true;
    return DotInt8<false, false>("tdpbuud", c, a, b), true;
  }
  return false;
}

// SIGILL is synchronous here (the kernel saves and restores all registers and
// MXCSR around it), so the handler may use vector registers and thread-locals.
void Handler(int, siginfo_t*, void* raw_context) {
  auto* context = static_cast<ucontext_t*>(raw_context);
  Instruction in;
  if (Decode(context, &in) && Execute(in)) {
    ++state.count;
    context->uc_mcontext.gregs[REG_RIP] += in.length;
    return;
  }
  // Not ours: the instruction runs again and meets the previous handler.
  sigaction(SIGILL, &previous_action, nullptr);
}

}  // namespace

bool InstallAmxTrap() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return false;
  if (installed.exchange(true)) return true;
  struct sigaction action = {};
  action.sa_sigaction = Handler;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  if (sigaction(SIGILL, &action, &previous_action) != 0) installed = false;
  return installed;
}

uint64_t AmxTrapCount() { return state.count; }

}  // namespace ixc
