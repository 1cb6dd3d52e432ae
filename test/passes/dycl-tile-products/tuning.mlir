// RUN: dycl-opt %s --dycl-tile-products='vector-bits=256 registers=16 tuning=product-12x20x48:block=8:rows=6:tile=3,product-?x20x48:block=32,batch_product-3x10x6x32:block=8:tile=5' | FileCheck %s --check-prefixes=CHECK,TUNED
// RUN: dycl-opt %s --dycl-tile-products='vector-bits=256 registers=16 list-choices=true' | FileCheck %s --check-prefixes=CHECK,LISTED

// Products by a weight, of static rows and of rows that data counts; and of two activations.
// CHECK-LABEL: module @net
module @net {
  // TUNED-DAG: "w@blocks(8)"> : tensor<6x20x8xf32>
  // TUNED-DAG: "w@blocks(32)"> : tensor<2x20x32xf32>
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"w"> : tensor<20x48xf32>, sym_name = "w", sym_visibility = "private", type = tensor<20x48xf32>}> : () -> ()
  // LISTED: attributes {tile_choices = ["product-12x20x48:block=16|8|32:rows=12|6|3:tile=6|3", "product-?x20x48:block=16|8|32", "batch_product-3x10x6x32:block=16|8|32:tile=5|3|2"]}
  func.func @region_0(%x: tensor<12x20xf32>, %y: tensor<?x20xf32>, %a: tensor<3x10x6xf32>, %b: tensor<3x6x32xf32>,
      %i0: tensor<12x48xf32>, %i1: tensor<?x48xf32>, %i2: tensor<3x10x32xf32>)
      -> (tensor<12x48xf32>, tensor<?x48xf32>, tensor<3x10x32xf32>) {
    %w = "util.global.load"() <{global = @w}> : () -> tensor<20x48xf32>
    // TUNED: "flow.dispatch.workgroups"(%c2, %c6,
    // TUNED: linalg.matmul {compilation_info = {{.*}}vector_common_parallel = [3, 8, 0]
    %0 = linalg.matmul ins(%x, %w : tensor<12x20xf32>, tensor<20x48xf32>) outs(%i0 : tensor<12x48xf32>) -> tensor<12x48xf32>
    // TUNED: linalg.matmul {compilation_info = {{.*}}vector_common_parallel = [2, 32, 0]
    %1 = linalg.matmul ins(%y, %w : tensor<?x20xf32>, tensor<20x48xf32>) outs(%i1 : tensor<?x48xf32>) -> tensor<?x48xf32>
    // TUNED: linalg.matmul {compilation_info = {{.*}}vector_common_parallel = [5, 8, 0]
    %2 = linalg.batch_matmul ins(%a, %b : tensor<3x10x6xf32>, tensor<3x6x32xf32>) outs(%i2 : tensor<3x10x32xf32>) -> tensor<3x10x32xf32>
    return %0, %1, %2 : tensor<12x48xf32>, tensor<?x48xf32>, tensor<3x10x32xf32>
  }
}
