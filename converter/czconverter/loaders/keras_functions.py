"""Functions of TensorFlow that a Keras 2 file may name without being trusted: they turn tensors into tensors.

Keras 2 saves `tf.nn.relu(x)` in a model as a layer with the function's name, and calls whatever name it finds on
loading, with arguments from the file. TensorFlow's names reach far: some functions read or write files, start servers,
load libraries or run Python. So only those listed are let through. What looks harmless and is not: `print` (writes
files), `nn.fixed_unigram_candidate_sampler` (reads one), `map_fn` and its kin (call what they are given), decoders of
images (large parsers that no network for pictures needs), classes.
"""

from __future__ import annotations

import re

_COMPATIBLE = re.compile(r"^(compat\.v[12]\.)+")  # tf.transpose and others are saved by their old names
_BASIC = """
    abs accumulate_n acos acosh add add_n angle argmax argmin asin asinh atan atan2 atanh bincount ceil
    confusion_matrix conj cos cosh count_nonzero cumprod cumsum digamma divide equal erf erfc exp expm1 floor floordiv
    floormod greater greater_equal imag is_finite is_inf is_nan less less_equal lgamma log log1p log_sigmoid
    logical_and logical_not logical_or logical_xor maximum minimum mod multiply negative not_equal pow real reciprocal
    reduce_all reduce_any reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_sum rint round rsqrt
    scalar_mul segment_max segment_mean segment_min segment_prod segment_sum sigmoid sign sin sinh sqrt square
    squared_difference subtract tan tanh truediv unsorted_segment_max unsorted_segment_mean unsorted_segment_min
    unsorted_segment_prod unsorted_segment_sum
"""
_MATH = """
    cumulative_logsumexp divide_no_nan erfinv in_top_k l2_normalize log_softmax multiply_no_nan ndtri nextafter
    polyval reciprocal_no_nan reduce_euclidean_norm reduce_std reduce_variance softmax softplus softsign top_k xdivy
    xlog1py xlogy zero_fraction
"""
_ARRAYS = """
    arg_max arg_min argsort batch_gather batch_to_space batch_to_space_nd bitcast boolean_mask broadcast_dynamic_shape
    broadcast_static_shape broadcast_to cast clip_by_average_norm clip_by_global_norm clip_by_norm clip_by_value
    complex concat constant convert_to_tensor depth_to_space diag diag_part div div_no_nan dynamic_partition
    dynamic_stitch einsum ensure_shape expand_dims extract_image_patches extract_volume_patches eye fill floor_div
    gather gather_nd global_norm guarantee_const histogram_fixed_width identity identity_n invert_permutation
    lin_space linspace matmul matrix_band_part matrix_diag matrix_diag_part matrix_set_diag matrix_transpose meshgrid
    norm one_hot ones ones_like pad parallel_stack random_normal random_shuffle random_uniform range rank realdiv
    repeat reshape reverse reverse_sequence reverse_v2 roll saturate_cast scatter_nd searchsorted sequence_mask shape
    shape_n size slice sort space_to_batch space_to_batch_nd space_to_depth split squeeze stack stop_gradient
    strided_slice tensor_scatter_nd_add tensor_scatter_nd_max tensor_scatter_nd_min tensor_scatter_nd_sub
    tensor_scatter_nd_update tensordot tile to_double to_float to_int32 to_int64 trace transpose truncated_normal
    truncatediv truncatemod unique unravel_index unstack where where_v2 zeros zeros_like
"""
_NN = """
    atrous_conv2d atrous_conv2d_transpose avg_pool avg_pool1d avg_pool2d avg_pool3d avg_pool_v2 batch_normalization
    batch_norm_with_global_normalization bias_add conv1d conv1d_transpose conv2d conv2d_backprop_input conv2d_transpose
    conv3d conv3d_transpose conv_transpose convolution crelu depth_to_space depthwise_conv2d depthwise_conv2d_native
    dilation2d dropout elu erosion2d fractional_avg_pool fractional_max_pool fused_batch_norm gelu l2_loss l2_normalize
    leaky_relu local_response_normalization log_softmax lrn max_pool max_pool1d max_pool2d max_pool3d max_pool_v2
    max_pool_with_argmax moments normalize_moments pool relu relu6 selu separable_conv2d sigmoid silu softmax softplus
    softsign space_to_batch space_to_depth swish tanh top_k weighted_moments with_space_to_batch zero_fraction
"""
_IMAGE = """
    adjust_brightness adjust_contrast adjust_gamma adjust_hue adjust_saturation central_crop convert_image_dtype
    crop_and_resize crop_to_bounding_box extract_glimpse extract_image_patches extract_patches flip_left_right
    flip_up_down grayscale_to_rgb hsv_to_rgb image_gradients pad_to_bounding_box per_image_standardization
    random_brightness random_contrast random_crop random_flip_left_right random_flip_up_down random_hue
    random_saturation resize resize_area resize_bicubic resize_bilinear resize_image_with_crop_or_pad
    resize_image_with_pad resize_images resize_nearest_neighbor resize_with_crop_or_pad resize_with_pad rgb_to_grayscale
    rgb_to_hsv rgb_to_yiq rgb_to_yuv rot90 sobel_edges total_variation transpose transpose_image yiq_to_rgb yuv_to_rgb
"""
_LINALG = """
    adjoint band_part cross det diag diag_part einsum eye global_norm inv l2_normalize logdet matmul matrix_transpose
    matvec norm normalize set_diag solve tensor_diag tensor_diag_part tensordot trace transpose triangular_solve
"""
_KERAS = """
    abs all any arange argmax argmin batch_dot batch_flatten batch_normalization bias_add cast cast_to_floatx clip
    concatenate constant conv1d conv2d conv2d_transpose conv3d cos cumprod cumsum depthwise_conv2d dot dropout elu equal
    exp expand_dims flatten gather greater greater_equal hard_sigmoid l2_normalize less less_equal log max maximum mean
    min minimum not_equal one_hot ones ones_like permute_dimensions pool2d pool3d pow prod random_normal random_uniform
    relu repeat repeat_elements reshape resize_images resize_volumes reverse round separable_conv2d shape sigmoid sign
    sin softmax softplus softsign spatial_2d_padding spatial_3d_padding sqrt square squeeze stack std stop_gradient sum
    tanh temporal_padding tile transpose truncated_normal var zeros zeros_like
"""
_ACTIVATIONS = """
    elu exponential gelu hard_sigmoid linear mish relu selu sigmoid softmax softplus softsign swish tanh
"""
_NAMES = {
    "": _BASIC + _ARRAYS,
    "math": _BASIC + _MATH,
    "nn": _NN,
    "image": _IMAGE,
    "linalg": _LINALG,
    "bitwise": "bitwise_and bitwise_or bitwise_xor invert left_shift right_shift",
    "dtypes": "cast complex saturate_cast",
    "manip": "batch_to_space_nd gather_nd reshape reverse roll scatter_nd space_to_batch_nd tile",
    "signal": "dct fft fft2d fft3d fftshift frame idct ifft ifft2d ifft3d ifftshift irfft irfft2d rfft rfft2d",
    "random": "categorical gamma normal poisson shuffle stateless_normal stateless_uniform truncated_normal uniform",
    "__operators__": "add eq getitem ne",
    "keras.activations": _ACTIVATIONS,
    "keras.backend": _KERAS,
}
_HARMLESS = frozenset(
    f"{space}.{name}" if space else name for space, names in _NAMES.items() for name in names.split()
)


def is_harmless(function: str) -> bool:
    """Whether `tf.<function>` computes, and does nothing else, whatever arguments it is given."""
    return _COMPATIBLE.sub("", function) in _HARMLESS
