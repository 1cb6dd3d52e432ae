// Programs whose regions find their operands, before and after partitioning, and one that is not placed.
// RUN: dycl-opt %s -split-input-file --dycl-verify-placement | FileCheck %s

// CHECK-LABEL: dycl.program @placed
dycl.program @placed(%x: tensor<4xf32>, %p: tensor<i1>) -> tensor<4xf32> attributes {home = "cpu"} {
  %c = arith.constant dense<1.0> : tensor<4xf32>
  %0 = dycl.invoke @test(%p) : (tensor<i1>) -> i1
  %1 = dycl.transfer %x from "cpu" to "gpu" : tensor<4xf32>
  %2 = scf.if %0 -> (tensor<4xf32>) {
    %3 = dycl.invoke @far(%1) : (tensor<4xf32>) -> tensor<4xf32>
    scf.yield %3 : tensor<4xf32>
  } else {
    %3 = ub.poison : tensor<4xf32>
    scf.yield %3 : tensor<4xf32>
  }
  %4 = dycl.invoke @far(%2) : (tensor<4xf32>) -> tensor<4xf32>
  %5 = dycl.transfer %4 from "gpu" to "cpu" : tensor<4xf32>
  %6 = arith.select %0, %5, %c : tensor<4xf32>
  dycl.return %6 : tensor<4xf32>
}
func.func private @test(tensor<i1>) -> i1
dycl.region @far : (tensor<4xf32>) -> tensor<4xf32> {affinity = "gpu"}

// -----

// CHECK-LABEL: dycl.program @one_device
dycl.program @one_device(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<4xf32>
  dycl.return %0 : tensor<4xf32>
}
dycl.region @region_0 : (tensor<4xf32>) -> tensor<4xf32>
