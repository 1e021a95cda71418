#pragma once

#include "onnx/row_states.h"

/// Rules of rows that the rows of operators name: see Mapping::rows and, for those of sizes,
/// Mapping::sizes.
namespace quern::onnx {

bool follow_like_first(const RowRule& rule);
bool follow_broadcasting(const RowRule& rule);
bool follow_matmul(const RowRule& rule);
bool follow_gemm(const RowRule& rule);
bool follow_each_image(const RowRule& rule);
bool follow_max_pool(const RowRule& rule);
bool follow_batch_norm(const RowRule& rule);
bool follow_dropout(const RowRule& rule);
bool follow_quantize(const RowRule& rule);
bool follow_resize(const RowRule& rule);
bool follow_recurrent(const RowRule& rule);
bool follow_along_last_axis(const RowRule& rule);
bool follow_along_first_axis(const RowRule& rule);
bool follow_from_last_axis(const RowRule& rule);
bool follow_softmax(const RowRule& rule);
bool follow_cumulative(const RowRule& rule);
bool follow_reduce(const RowRule& rule);
bool follow_arg_reduce(const RowRule& rule);
bool follow_transpose(const RowRule& rule);
bool follow_squeeze(const RowRule& rule);
bool follow_unsqueeze(const RowRule& rule);
bool follow_flatten(const RowRule& rule);
bool follow_concat(const RowRule& rule);
bool follow_slice(const RowRule& rule);
bool follow_gather(const RowRule& rule);
bool follow_one_hot(const RowRule& rule);
bool follow_tile(const RowRule& rule);
bool follow_pad(const RowRule& rule);
bool follow_trilu(const RowRule& rule);
bool follow_shape(const RowRule& rule);
bool concat_sizes(const RowRule& rule);
bool same_sizes(const RowRule& rule);
bool gather_sizes(const RowRule& rule);
bool slice_sizes(const RowRule& rule);
bool follow_constant_of_shape(const RowRule& rule);
bool follow_expand(const RowRule& rule);
bool follow_reshape(const RowRule& rule);

}  // namespace quern::onnx
