// RUN: dycl-opt %s --dycl-fold-integer-ranges | FileCheck %s

// At most 1 after one test, so that 2 is out of reach.
// CHECK-LABEL: func.func @branch
// CHECK: %[[N:.*]] = scf.if
// CHECK: %[[Q:.*]] = arith.constant false
// CHECK: scf.if %[[Q]]
func.func @branch(%p: i1, %x: tensor<4xf32>) -> (tensor<4xf32>, i64) {
  %c0 = arith.constant 0 : i64
  %c1 = arith.constant 1 : i64
  %c2 = arith.constant 2 : i64
  %0 = scf.if %p -> (i64) {
    scf.yield %c1 : i64
  } else {
    scf.yield %c0 : i64
  }
  %1 = arith.cmpi eq, %0, %c2 : i64
  %2 = scf.if %1 -> (tensor<4xf32>) {
    scf.yield %x : tensor<4xf32>
  } else {
    %3 = math.exp %x : tensor<4xf32>
    scf.yield %3 : tensor<4xf32>
  }
  return %2, %0 : tensor<4xf32>, i64
}

// What a loop counts may be anything, and its test stays, though it holds at first.
// CHECK-LABEL: func.func @loop
// CHECK: scf.while
// CHECK: %[[Q:.*]] = arith.cmpi slt
// CHECK: scf.condition(%[[Q]])
// CHECK: arith.addi
func.func @loop(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : i64
  %c1 = arith.constant 1 : i64
  %c7 = arith.constant 7 : i64
  %0:2 = scf.while (%n = %c0, %a = %x) : (i64, tensor<4xf32>) -> (i64, tensor<4xf32>) {
    %1 = arith.cmpi slt, %n, %c7 : i64
    scf.condition(%1) %n, %a : i64, tensor<4xf32>
  } do {
  ^bb0(%n: i64, %a: tensor<4xf32>):
    %2 = arith.addi %n, %c1 : i64
    %3 = math.exp %a : tensor<4xf32>
    scf.yield %2, %3 : i64, tensor<4xf32>
  }
  return %0#1 : tensor<4xf32>
}

// The bodies of tensor operations are left alone.
// CHECK-LABEL: func.func @body
// CHECK: tensor.generate
// CHECK: arith.cmpi slt
func.func @body(%p: i1) -> (tensor<4xi1>, i64) {
  %c0 = arith.constant 0 : i64
  %c1 = arith.constant 1 : i64
  %0 = scf.if %p -> (i64) {
    scf.yield %c1 : i64
  } else {
    scf.yield %c0 : i64
  }
  %1 = tensor.generate {
  ^bb0(%i: index):
    %2 = arith.cmpi slt, %0, %c0 : i64
    tensor.yield %2 : i1
  } : tensor<4xi1>
  return %1, %0 : tensor<4xi1>, i64
}
