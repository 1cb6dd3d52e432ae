// RUN: dycl-opt %s --dycl-outline-regions -split-input-file | FileCheck %s

// A while loop whose condition computes: a region in the condition, one in the body. The counter stays on the host.
// CHECK-LABEL: dycl.program @main
// CHECK-SAME: (%[[X:.+]]: tensor<4xf32>) -> (tensor<4xf32>, tensor<i64>)
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<i64>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  // CHECK: %[[N0:.+]] = arith.constant 0 : i64
  %n0 = arith.constant 0 : i64
  %n1 = arith.constant 1 : i64
  // CHECK: %[[R:.+]]:2 = scf.while (%[[A:.+]] = %[[X]], %[[N:.+]] = %[[N0]])
  // CHECK-NEXT: %[[P:.+]] = dycl.invoke @region_0(%[[A]]) : (tensor<4xf32>) -> i1
  // CHECK-NEXT: scf.condition(%[[P]]) %[[A]], %[[N]]
  // CHECK: ^bb0(%[[B:.+]]: tensor<4xf32>, %[[M:.+]]: i64):
  // CHECK-NEXT: %[[N1:.+]] = arith.constant 1 : i64
  // CHECK-NEXT: %[[NEXT:.+]] = arith.addi %[[M]], %[[N1]]
  // CHECK-NEXT: %[[C:.+]] = dycl.invoke @region_1(%[[B]]) : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK-NEXT: scf.yield %[[C]], %[[NEXT]]
  // CHECK: %[[S:.+]] = dycl.invoke @region_2(%[[R]]#1) : (i64) -> tensor<i64>
  // CHECK: dycl.return %[[R]]#0, %[[S]]
  %0:2 = scf.while (%a = %x, %n = %n0) : (tensor<4xf32>, i64) -> (tensor<4xf32>, i64) {
    %1 = tensor.extract %a[%c0] : tensor<4xf32>
    %p = arith.cmpf olt, %1, %zero : f32
    scf.condition(%p) %a, %n : tensor<4xf32>, i64
  } do {
  ^bb0(%a: tensor<4xf32>, %n: i64):
    %1 = math.exp %a : tensor<4xf32>
    %2 = arith.addi %n, %n1 : i64
    scf.yield %1, %2 : tensor<4xf32>, i64
  }
  %3 = tensor.from_elements %0#1 : tensor<i64>
  return %0#0, %3 : tensor<4xf32>, tensor<i64>
}

// -----

// A counted loop whose bound is read from a tensor: the bound leaves a region as an index. The body uses the counter.
// CHECK-LABEL: dycl.program @main
// CHECK-SAME: (%[[X:.+]]: tensor<4xf32>, %[[N:.+]]: tensor<i64>)
func.func @main(%x: tensor<4xf32>, %n: tensor<i64>) -> tensor<4xf32> {
  // CHECK: %[[BOUND:.+]] = dycl.invoke @region_0(%[[N]]) : (tensor<i64>) -> index
  // CHECK: scf.for %[[I:.+]] = %{{.+}} to %[[BOUND]] step %{{.+}} iter_args(%[[A:.+]] = %[[X]])
  // CHECK-NEXT: dycl.invoke @region_1(%[[A]], %[[I]]) : (tensor<4xf32>, index) -> tensor<4xf32>
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = tensor.extract %n[] : tensor<i64>
  %1 = arith.index_cast %0 : i64 to index
  %2 = scf.for %i = %c0 to %1 step %c1 iter_args(%a = %x) -> (tensor<4xf32>) {
    %3 = tensor.extract %a[%i] : tensor<4xf32>
    %4 = math.exp %3 : f32
    %5 = tensor.insert %4 into %a[%i] : tensor<4xf32>
    scf.yield %5 : tensor<4xf32>
  }
  return %2 : tensor<4xf32>
}

// -----

// Constant bounds, but tensors are carried: the host runs the loop.
// CHECK-LABEL: dycl.program @main
// CHECK: scf.for
// CHECK-NEXT: dycl.invoke @region_0
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %0 = scf.for %i = %c0 to %c3 step %c1 iter_args(%a = %x) -> (tensor<4xf32>) {
    %1 = math.exp %a : tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}

// -----

// Regions of a switch are numbered as they stand, the default last.
// CHECK-LABEL: dycl.program @main
func.func @main(%x: tensor<4xf32>, %y: tensor<8xf32>, %n: tensor<index>) -> tensor<8xf32> {
  // CHECK: %[[N:.+]] = dycl.invoke @region_0
  // CHECK: scf.index_switch %[[N]]
  // CHECK: case 2
  // CHECK-NEXT: dycl.invoke @region_1
  // CHECK: case 5
  // CHECK-NEXT: scf.yield %{{.+}} : tensor<8xf32>
  // CHECK: default
  // CHECK-NEXT: dycl.invoke @region_2
  %0 = tensor.extract %n[] : tensor<index>
  %1 = scf.index_switch %0 -> tensor<8xf32>
  case 2 {
    %2 = math.exp %y : tensor<8xf32>
    scf.yield %2 : tensor<8xf32>
  }
  case 5 {
    scf.yield %y : tensor<8xf32>
  }
  default {
    %2 = tensor.insert_slice %x into %y[0] [4] [1] : tensor<4xf32> into tensor<8xf32>
    scf.yield %2 : tensor<8xf32>
  }
  return %1 : tensor<8xf32>
}
