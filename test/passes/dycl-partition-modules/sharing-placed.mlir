// RUN: dycl-opt %s --dycl-partition-modules | FileCheck %s

// Regions of the same code on different devices are in different modules.
// CHECK: dycl.region @on_cpu : {{.*}}affinity = "llvm-cpu", module = @on_cpu_module
// CHECK: dycl.region @on_gpu : {{.*}}affinity = "vulkan", module = @on_gpu_module
// CHECK: dycl.region @on_cpu_too : {{.*}}affinity = "llvm-cpu", module = @on_cpu_module
dycl.program @main(%x: tensor<4xf32>) -> tensor<4xf32> attributes {home = "llvm-cpu"} {
  %0 = dycl.invoke @on_cpu(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = dycl.transfer %0 from "llvm-cpu" to "vulkan" : tensor<4xf32>
  %2 = dycl.invoke @on_gpu(%1) : (tensor<4xf32>) -> tensor<4xf32>
  %3 = dycl.transfer %2 from "vulkan" to "llvm-cpu" : tensor<4xf32>
  %4 = dycl.invoke @on_cpu_too(%3) : (tensor<4xf32>) -> tensor<4xf32>
  dycl.return %4 : tensor<4xf32>
}
func.func private @on_cpu(%x: tensor<4xf32>) -> tensor<4xf32> attributes {dycl.affinity = "llvm-cpu"} {
  %0 = arith.addf %x, %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @on_gpu(%x: tensor<4xf32>) -> tensor<4xf32> attributes {dycl.affinity = "vulkan"} {
  %0 = arith.addf %x, %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @on_cpu_too(%x: tensor<4xf32>) -> tensor<4xf32> attributes {dycl.affinity = "llvm-cpu"} {
  %0 = arith.addf %x, %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}
