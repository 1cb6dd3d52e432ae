// RUN: dycl-opt %s --dycl-outline-regions -split-input-file | FileCheck %s

// An if with results: two pieces, one before it and one in a branch; the other branch passes an input on. The
// predicate leaves as i1, constants are sunk, live-ins and live-outs are exact.
// CHECK-LABEL: dycl.program @main
// CHECK-SAME: (%[[X:.+]]: tensor<4xf32> {dycl.name = "x"}, %[[Y:.+]]: tensor<8xf32>) -> tensor<8xf32>
func.func @main(%x: tensor<4xf32> {dycl.name = "x"}, %y: tensor<8xf32>) -> tensor<8xf32> {
  // CHECK-NEXT: %[[R:.+]]:2 = dycl.invoke @region_0(%[[X]]) : (tensor<4xf32>) -> (tensor<4xf32>, i1)
  // CHECK-NEXT: %[[S:.+]] = scf.if %[[R]]#1 -> (tensor<8xf32>) {
  // CHECK-NEXT:   %[[T:.+]] = dycl.invoke @region_1(%[[R]]#0, %[[Y]]) : (tensor<4xf32>, tensor<8xf32>) -> tensor<8xf32>
  // CHECK-NEXT:   scf.yield %[[T]]
  // CHECK-NEXT: } else {
  // CHECK-NEXT:   scf.yield %[[Y]]
  // CHECK-NEXT: }
  // CHECK-NEXT: dycl.return %[[S]]
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %w = dycl.parameter "w" : tensor<4xf32>
  %0 = arith.addf %x, %w : tensor<4xf32>
  %1 = tensor.extract %0[%c0] : tensor<4xf32>
  %p = arith.cmpf ogt, %1, %zero : f32
  %2 = scf.if %p -> (tensor<8xf32>) {
    %3 = arith.mulf %0, %w : tensor<4xf32>
    %4 = tensor.insert_slice %3 into %y[2] [4] [1] : tensor<4xf32> into tensor<8xf32>
    scf.yield %4 : tensor<8xf32>
  } else {
    scf.yield %y : tensor<8xf32>
  }
  return %2 : tensor<8xf32>
}

// CHECK-LABEL: func.func private @region_0
// CHECK-SAME: (%[[X:.+]]: tensor<4xf32>) -> (tensor<4xf32>, i1)
// CHECK-DAG: %[[C0:.+]] = arith.constant 0 : index
// CHECK-DAG: %[[ZERO:.+]] = arith.constant 0.000000e+00 : f32
// CHECK-DAG: %[[W:.+]] = dycl.parameter "w"
// CHECK: %[[SUM:.+]] = arith.addf %[[X]], %[[W]]
// CHECK: %[[E:.+]] = tensor.extract %[[SUM]][%[[C0]]]
// CHECK: %[[P:.+]] = arith.cmpf ogt, %[[E]], %[[ZERO]]
// CHECK: return %[[SUM]], %[[P]]

// CHECK-LABEL: func.func private @region_1
// CHECK-SAME: (%[[A:.+]]: tensor<4xf32>, %[[Y:.+]]: tensor<8xf32>) -> tensor<8xf32>
// CHECK: %[[W:.+]] = dycl.parameter "w"
// CHECK: %[[M:.+]] = arith.mulf %[[A]], %[[W]]
// CHECK: tensor.insert_slice %[[M]] into %[[Y]]

// -----

// An if without else and results, over opaque operations with side effects: they keep their order and their place.
// CHECK-LABEL: dycl.program @main
func.func @main(%x: tensor<4xf32>, %f: tensor<i1>) -> tensor<4xf32> {
  // CHECK: %[[P:.+]] = dycl.invoke @region_0
  // CHECK: scf.if %[[P]] {
  // CHECK-NEXT: dycl.invoke @region_1
  // CHECK-NEXT: }
  // CHECK-NEXT: %[[R:.+]] = dycl.invoke @region_2
  // CHECK-NEXT: dycl.return %[[R]]
  %p = tensor.extract %f[] : tensor<i1>
  "vendor.log"(%x) : (tensor<4xf32>) -> ()
  scf.if %p {
    "vendor.log"(%x) : (tensor<4xf32>) -> ()
  }
  // CHECK-LABEL: func.func private @region_2
  // CHECK-NEXT: "vendor.next"
  %0 = "vendor.next"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// No control flow: one region.
// CHECK-LABEL: dycl.program @main
// CHECK-NEXT: dycl.invoke @region_0
// CHECK-NEXT: dycl.return
// CHECK-NOT: @region_1
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = math.exp %x : tensor<4xf32>
  %1 = "tm_tensor.scan"(%0) ({
  ^bb0(%a: f32, %b: f32):
    %2 = arith.addf %a, %b : f32
    "tm_tensor.yield"(%2) : (f32) -> ()
  }) : (tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// -----

// Control flow in the body of a tensor operation, and a loop on scalars with constant bounds, are computation.
// CHECK-LABEL: dycl.program @main
// CHECK-NEXT: dycl.invoke @region_0
// CHECK-NEXT: dycl.return
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %zero = arith.constant 0.0 : f32
  // CHECK-LABEL: func.func private @region_0
  // CHECK: scf.for
  // CHECK: tensor.generate
  // CHECK: scf.if
  %sum = scf.for %i = %c0 to %c4 step %c1 iter_args(%s = %zero) -> (f32) {
    %e = tensor.extract %x[%i] : tensor<4xf32>
    %t = arith.addf %s, %e : f32
    scf.yield %t : f32
  }
  %0 = tensor.generate {
  ^bb0(%i: index):
    %e = tensor.extract %x[%i] : tensor<4xf32>
    %p = arith.cmpf ogt, %e, %sum : f32
    %v = scf.if %p -> (f32) {
      scf.yield %e : f32
    } else {
      scf.yield %sum : f32
    }
    tensor.yield %v : f32
  } : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// A program that computes nothing has no region; a constant that the host needs is made where it is needed.
// CHECK-LABEL: dycl.program @main
// CHECK-SAME: (%[[X:.+]]: tensor<4xf32>, %[[F:.+]]: tensor<i1>)
func.func @main(%x: tensor<4xf32>, %f: tensor<i1>) -> tensor<4xf32> {
  // CHECK-NEXT: %[[P:.+]] = dycl.invoke @region_0(%[[F]]) : (tensor<i1>) -> i1
  // CHECK-NEXT: scf.if
  // CHECK-NEXT: scf.yield %[[X]]
  // CHECK-NEXT: else
  // CHECK-NEXT: %[[C:.+]] = dycl.invoke @region_1() : () -> tensor<4xf32>
  // CHECK-NEXT: scf.yield %[[C]]
  %cst = arith.constant dense<1.0> : tensor<4xf32>
  %p = tensor.extract %f[] : tensor<i1>
  %0 = scf.if %p -> (tensor<4xf32>) {
    scf.yield %x : tensor<4xf32>
  } else {
    scf.yield %cst : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}

// -----

// What is computed of a weight alone is done in each region that uses it, not passed from one to the next.
// CHECK-LABEL: dycl.program @main
// CHECK-SAME: (%[[X:.+]]: tensor<2x3xf32>, %[[P:.+]]: tensor<i1>)
func.func @main(%x: tensor<2x3xf32>, %p: tensor<i1>) -> tensor<2x3xf32> {
  // CHECK-NEXT: %[[R:.+]]:2 = dycl.invoke @region_0(%[[X]], %[[P]]) : (tensor<2x3xf32>, tensor<i1>) -> (tensor<2x3xf32>, i1)
  // CHECK: dycl.invoke @region_1(%[[R]]#0) : (tensor<2x3xf32>) -> tensor<2x3xf32>
  // CHECK-LABEL: func.func private @region_0
  // CHECK: dycl.parameter
  // CHECK: linalg.transpose
  // CHECK-LABEL: func.func private @region_1
  // CHECK: dycl.parameter
  // CHECK: linalg.transpose
  %w = dycl.parameter "w" : tensor<3x2xf32>
  %empty = tensor.empty() : tensor<2x3xf32>
  %t = linalg.transpose ins(%w : tensor<3x2xf32>) outs(%empty : tensor<2x3xf32>) permutation = [1, 0]
  %0 = arith.addf %x, %t : tensor<2x3xf32>
  %p0 = tensor.extract %p[] : tensor<i1>
  %1 = scf.if %p0 -> (tensor<2x3xf32>) {
    %2 = arith.mulf %0, %t : tensor<2x3xf32>
    scf.yield %2 : tensor<2x3xf32>
  } else {
    scf.yield %0 : tensor<2x3xf32>
  }
  return %1 : tensor<2x3xf32>
}
