// RUN: dycl-opt %s --dycl-tile-products='vector-bits=512 registers=32' | FileCheck %s

// A block has four vectors, unless the last block then computes many columns again, or there are fewer columns: one row
// waits for its multiply-adds otherwise. Tiles have at most 6 rows then, and of rows that data counts 4, 2 and 1.
// CHECK-DAG: "model"::"even@blocks(64)"> : tensor<8x20x64xf32>
// CHECK-DAG: "model"::"uneven@blocks(64)"> : tensor<8x20x64xf32>
// CHECK-DAG: "model"::"again@blocks(32)"> : tensor<5x20x32xf32>
// CHECK-DAG: "model"::"few@blocks(16)"> : tensor<3x20x16xf32>
"util.global"() <{initial_value = #flow.parameter.named<"model"::"even"> : tensor<20x512xf32>, sym_name = "even", sym_visibility = "private", type = tensor<20x512xf32>}> : () -> ()
"util.global"() <{initial_value = #flow.parameter.named<"model"::"uneven"> : tensor<20x450xf32>, sym_name = "uneven", sym_visibility = "private", type = tensor<20x450xf32>}> : () -> ()
"util.global"() <{initial_value = #flow.parameter.named<"model"::"again"> : tensor<20x150xf32>, sym_name = "again", sym_visibility = "private", type = tensor<20x150xf32>}> : () -> ()
"util.global"() <{initial_value = #flow.parameter.named<"model"::"few"> : tensor<20x48xf32>, sym_name = "few", sym_visibility = "private", type = tensor<20x48xf32>}> : () -> ()
// CHECK-LABEL: func.func @region_0
func.func @region_0(%x: tensor<1x20xf32>, %y: tensor<12x20xf32>, %n: tensor<?x20xf32>, %i0: tensor<12x512xf32>, %i1: tensor<1x450xf32>, %i2: tensor<1x150xf32>,
    %i3: tensor<1x48xf32>, %i4: tensor<?x512xf32>) -> (tensor<12x512xf32>, tensor<1x450xf32>, tensor<1x150xf32>, tensor<1x48xf32>, tensor<?x512xf32>) {
  %even = "util.global.load"() <{global = @even}> : () -> tensor<20x512xf32>
  %uneven = "util.global.load"() <{global = @uneven}> : () -> tensor<20x450xf32>
  %again = "util.global.load"() <{global = @again}> : () -> tensor<20x150xf32>
  %few = "util.global.load"() <{global = @few}> : () -> tensor<20x48xf32>
  // CHECK: vector_common_parallel = [6, 64, 0]
  // CHECK: vector_common_parallel = [1, 64, 0]
  // CHECK: vector_common_parallel = [1, 32, 0]
  // CHECK: vector_common_parallel = [1, 16, 0]
  // CHECK: vector_common_parallel = [4, 64, 0]
  // CHECK: vector_common_parallel = [2, 64, 0]
  // CHECK: vector_common_parallel = [1, 64, 0]
  %0 = linalg.matmul ins(%y, %even : tensor<12x20xf32>, tensor<20x512xf32>) outs(%i0 : tensor<12x512xf32>) -> tensor<12x512xf32>
  %1 = linalg.matmul ins(%x, %uneven : tensor<1x20xf32>, tensor<20x450xf32>) outs(%i1 : tensor<1x450xf32>) -> tensor<1x450xf32>
  %2 = linalg.matmul ins(%x, %again : tensor<1x20xf32>, tensor<20x150xf32>) outs(%i2 : tensor<1x150xf32>) -> tensor<1x150xf32>
  %3 = linalg.matmul ins(%x, %few : tensor<1x20xf32>, tensor<20x48xf32>) outs(%i3 : tensor<1x48xf32>) -> tensor<1x48xf32>
  %4 = linalg.matmul ins(%n, %even : tensor<?x20xf32>, tensor<20x512xf32>) outs(%i4 : tensor<?x512xf32>) -> tensor<?x512xf32>
  return %0, %1, %2, %3, %4 : tensor<12x512xf32>, tensor<1x450xf32>, tensor<1x150xf32>, tensor<1x48xf32>, tensor<?x512xf32>
}
