// RUN: dycl-opt %s --dycl-merge-regions | FileCheck %s

// Equal code from two lines is one region, called twice, in a branch as well. Another parameter, another constant,
// swapped operands, another type make another region.
// CHECK-LABEL: dycl.program @main
// CHECK: dycl.invoke @region_0(%{{.+}}, %{{.+}}) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
// CHECK: dycl.invoke @region_0
// CHECK: dycl.invoke @region_1
// CHECK: dycl.invoke @region_2
// CHECK: dycl.invoke @region_3
// CHECK: dycl.invoke @region_4
// CHECK: scf.if
// CHECK-NEXT: dycl.invoke @region_0
// CHECK-COUNT-6: func.func private
// CHECK-NOT: func.func
dycl.program @main(%x: tensor<4xf32>, %y: tensor<8xf32>) -> tensor<4xf32> {
  %0 = dycl.invoke @region_0(%x, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = dycl.invoke @region_1(%0, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = dycl.invoke @region_2(%1, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = dycl.invoke @region_3(%2, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = dycl.invoke @region_4(%3, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %5 = dycl.invoke @region_5(%y, %y) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %p = dycl.invoke @region_6(%4) : (tensor<4xf32>) -> i1
  %6 = scf.if %p -> (tensor<4xf32>) {
    %7 = dycl.invoke @region_7(%4, %3) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    scf.yield %7 : tensor<4xf32>
  } else {
    scf.yield %4 : tensor<4xf32>
  }
  dycl.return %6 : tensor<4xf32>
}
func.func private @region_0(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %w = dycl.parameter "w" : tensor<4xf32>
  %0 = arith.subf %x, %y : tensor<4xf32> loc("net.py":3:5)
  %1 = arith.addf %0, %w : tensor<4xf32>
  return %1 : tensor<4xf32>
}
func.func private @region_1(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %w = dycl.parameter "w" : tensor<4xf32>
  %0 = arith.subf %x, %y : tensor<4xf32> loc("net.py":4:5)
  %1 = arith.addf %0, %w : tensor<4xf32>
  return %1 : tensor<4xf32>
}
func.func private @region_2(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %w = dycl.parameter "v" : tensor<4xf32>
  %0 = arith.subf %x, %y : tensor<4xf32>
  %1 = arith.addf %0, %w : tensor<4xf32>
  return %1 : tensor<4xf32>
}
func.func private @region_3(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %w = arith.constant dense<2.0> : tensor<4xf32>
  %0 = arith.subf %x, %y : tensor<4xf32>
  %1 = arith.addf %0, %w : tensor<4xf32>
  return %1 : tensor<4xf32>
}
func.func private @region_4(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %w = dycl.parameter "w" : tensor<4xf32>
  %0 = arith.subf %y, %x : tensor<4xf32>
  %1 = arith.addf %0, %w : tensor<4xf32>
  return %1 : tensor<4xf32>
}
func.func private @region_5(%x: tensor<8xf32>, %y: tensor<8xf32>) -> tensor<8xf32> {
  %w = dycl.parameter "u" : tensor<8xf32>
  %0 = arith.subf %x, %y : tensor<8xf32>
  %1 = arith.addf %0, %w : tensor<8xf32>
  return %1 : tensor<8xf32>
}
func.func private @region_6(%x: tensor<4xf32>) -> i1 {
  %p = "tm_tensor.test"(%x) : (tensor<4xf32>) -> i1
  return %p : i1
}
func.func private @region_7(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %w = dycl.parameter "w" : tensor<4xf32>
  %0 = arith.subf %x, %y : tensor<4xf32>
  %1 = arith.addf %0, %w : tensor<4xf32>
  return %1 : tensor<4xf32>
}
