// Clean-up leaves the control flow as the user wrote it: a cheap branch does not become a choice by value, nested tests
// do not become one, and two tests of one condition stay two.
// RUN: dycl-opt %s --dycl-optimize-pipeline | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK-NOT: arith.select
// CHECK: scf.if
// CHECK: scf.if
// CHECK: math.exp
// CHECK: scf.if
// CHECK: math.sin
// CHECK-NOT: arith.select
func.func @main(%x: tensor<4xf32>, %p: tensor<i1>, %q: tensor<i1>) -> tensor<4xf32> {
  %p0 = tensor.extract %p[] : tensor<i1>
  %q0 = tensor.extract %q[] : tensor<i1>
  %0 = scf.if %p0 -> (tensor<4xf32>) {
    %1 = scf.if %q0 -> (tensor<4xf32>) {
      %2 = math.exp %x : tensor<4xf32>
      scf.yield %2 : tensor<4xf32>
    } else {
      scf.yield %x : tensor<4xf32>
    } loc("net.py":3:5)
    scf.yield %1 : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  } loc("net.py":2:3)
  %3 = scf.if %p0 -> (tensor<4xf32>) {
    %4 = math.sin %0 : tensor<4xf32>
    scf.yield %4 : tensor<4xf32>
  } else {
    scf.yield %0 : tensor<4xf32>
  } loc("net.py":5:3)
  return %3 : tensor<4xf32>
}
