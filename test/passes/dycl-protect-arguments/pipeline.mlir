// RUN: dycl-opt %s --dycl-outline-pipeline --dycl-partition-pipeline | FileCheck %s

// Through the pipeline: the barrier keeps its generic form in the region's module, which IREE reads.
// CHECK: dycl.region @region_0
// CHECK: module @region_0_module
// CHECK: "util.optimization_barrier"(%{{.+}}) : (i1) -> i1
func.func @main(%x: tensor<3xf32>, %v: tensor<1xf32>) -> tensor<3xf32> {
  %0 = tensor.insert_slice %v into %x[0] [1] [1] : tensor<1xf32> into tensor<3xf32>
  return %0 : tensor<3xf32>
}
