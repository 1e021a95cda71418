// The table of encodings that have SIMD code.
#include "kernels/block256-inl.h"
#include "kernels/block32-inl.h"

#if defined(QUERN_KERNELS_ENCODINGS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUERN_KERNELS_ENCODINGS_INL_H_
#undef QUERN_KERNELS_ENCODINGS_INL_H_
#else
#define QUERN_KERNELS_ENCODINGS_INL_H_
#endif

QUERN_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

template <class E>
struct EncodingTag {
  using type = E;
};

/// Returns `visitor(EncodingTag<E>{})`, a pointer to a function; null where there is no SIMD code.
template <class Visitor>
auto visit_encoding(Encoding encoding, const Visitor& visitor)
    -> decltype(visitor(EncodingTag<Q8_0>{})) {
  switch (encoding) {
    case Encoding::q4_0:
      return visitor(EncodingTag<Q4_0>{});
    case Encoding::q4_1:
      return visitor(EncodingTag<Q4_1>{});
    case Encoding::q5_0:
      return visitor(EncodingTag<Q5_0>{});
    case Encoding::q5_1:
      return visitor(EncodingTag<Q5_1>{});
    case Encoding::q8_0:
      return visitor(EncodingTag<Q8_0>{});
    case Encoding::mxfp4:
      return visitor(EncodingTag<MXFP4>{});
    case Encoding::iq4_nl:
      return visitor(EncodingTag<IQ4_NL>{});
    case Encoding::q2_k:
      return visitor(EncodingTag<Q2_K>{});
    case Encoding::q3_k:
      return visitor(EncodingTag<Q3_K>{});
    case Encoding::q4_k:
      return visitor(EncodingTag<Q4_K>{});
    case Encoding::q5_k:
      return visitor(EncodingTag<Q5_K>{});
    case Encoding::q6_k:
      return visitor(EncodingTag<Q6_K>{});
    case Encoding::iq4_xs:
      return visitor(EncodingTag<IQ4_XS>{});
    case Encoding::tq1_0:
      return visitor(EncodingTag<TQ1_0>{});
    case Encoding::tq2_0:
      return visitor(EncodingTag<TQ2_0>{});
    case Encoding::q4_f32:
      return visitor(EncodingTag<Q4_F32>{});
    case Encoding::q8_f32:
      return visitor(EncodingTag<Q8_F32>{});
    case Encoding::dense:
    case Encoding::q8_k:
    case Encoding::q8_1:
    case Encoding::nvfp4:
    case Encoding::q1_0:
    case Encoding::q2_0:
    case Encoding::iq1_s:
    case Encoding::iq1_m:
    case Encoding::iq2_xxs:
    case Encoding::iq2_xs:
    case Encoding::iq2_s:
    case Encoding::iq3_xxs:
    case Encoding::iq3_s:
      break;
  }
  return nullptr;
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
