// RUN: dycl-opt %s --dycl-simplify-host -split-input-file | FileCheck %s

// Results that are an input, a constant, or an earlier result become host assignments, and what is unused goes.
// CHECK-LABEL: dycl.program @main
// CHECK-SAME: (%[[X:.+]]: tensor<4xf32>, %[[Y:.+]]: tensor<8xf32>)
dycl.program @main(%x: tensor<4xf32>, %y: tensor<8xf32>)
    -> (tensor<8xf32>, tensor<2xi64>, tensor<4xf32>, tensor<4xf32>) {
  // CHECK-DAG: %[[C:.+]] = arith.constant dense<[3, 5]> : tensor<2xi64>
  // CHECK-DAG: %[[R:.+]] = dycl.invoke @region_0(%[[X]]) : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: dycl.return %[[Y]], %[[C]], %[[R]], %[[R]]
  %0:5 = dycl.invoke @region_0(%x, %y, %x)
      : (tensor<4xf32>, tensor<8xf32>, tensor<4xf32>) -> (tensor<8xf32>, tensor<2xi64>, tensor<4xf32>, tensor<4xf32>, i1)
  dycl.return %0#0, %0#1, %0#2, %0#3 : tensor<8xf32>, tensor<2xi64>, tensor<4xf32>, tensor<4xf32>
}
// CHECK: func.func private @region_0(%[[A:.+]]: tensor<4xf32>) -> tensor<4xf32> {
// CHECK-NEXT: %[[B:.+]] = arith.addf %[[A]], %[[A]]
// CHECK-NEXT: return %[[B]]
func.func private @region_0(%x: tensor<4xf32>, %y: tensor<8xf32>, %z: tensor<4xf32>)
    -> (tensor<8xf32>, tensor<2xi64>, tensor<4xf32>, tensor<4xf32>, i1) {
  %c = arith.constant dense<[3, 5]> : tensor<2xi64>
  %p = "tm_tensor.test"(%y) : (tensor<8xf32>) -> i1
  %0 = arith.addf %x, %z : tensor<4xf32>
  return %y, %c, %0, %0, %p : tensor<8xf32>, tensor<2xi64>, tensor<4xf32>, tensor<4xf32>, i1
}

// -----

// Until nothing changes: the identity makes both branches equal, so the branch goes, with it the predicate, with it the
// region that computed only that. Regions are numbered anew.
// CHECK-LABEL: dycl.program @main
// CHECK-SAME: (%[[X:.+]]: tensor<4xf32>)
// CHECK-NEXT: %[[R:.+]] = dycl.invoke @region_0(%[[X]])
// CHECK-NEXT: dycl.return %[[R]]
// CHECK: func.func private @region_0
// CHECK-NEXT: math.exp
// CHECK-NOT: func.func
dycl.program @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> i1
  %1 = scf.if %0 -> (tensor<4xf32>) {
    %2 = dycl.invoke @region_1(%x) : (tensor<4xf32>) -> tensor<4xf32>
    scf.yield %2 : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  }
  %3 = dycl.invoke @region_2(%1) : (tensor<4xf32>) -> tensor<4xf32>
  dycl.return %3 : tensor<4xf32>
}
func.func private @region_0(%x: tensor<4xf32>) -> i1 {
  %p = "tm_tensor.test"(%x) : (tensor<4xf32>) -> i1
  return %p : i1
}
func.func private @region_1(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
func.func private @region_2(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = math.exp %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// What stays in a region: a parameter, a large constant, one of a type that NumPy lacks, and side effects.
// CHECK-LABEL: dycl.program @main
// CHECK-NEXT: dycl.invoke @region_0() : () -> (tensor<4xf32>, tensor<300xf32>, tensor<2xbf16>)
// CHECK-NEXT: dycl.invoke @region_1
// CHECK-NEXT: dycl.return
dycl.program @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<300xf32>, tensor<2xbf16>) {
  %0:3 = dycl.invoke @region_0() : () -> (tensor<4xf32>, tensor<300xf32>, tensor<2xbf16>)
  dycl.invoke @region_1(%x) : (tensor<4xf32>) -> ()
  dycl.return %0#0, %0#1, %0#2 : tensor<4xf32>, tensor<300xf32>, tensor<2xbf16>
}
func.func private @region_0() -> (tensor<4xf32>, tensor<300xf32>, tensor<2xbf16>) {
  %w = dycl.parameter "w" : tensor<4xf32>
  %large = arith.constant dense<1.0> : tensor<300xf32>
  %bf16 = arith.constant dense<1.0> : tensor<2xbf16>
  return %w, %large, %bf16 : tensor<4xf32>, tensor<300xf32>, tensor<2xbf16>
}
func.func private @region_1(%x: tensor<4xf32>) {
  "vendor.log"(%x) : (tensor<4xf32>) -> ()
  return
}

// -----

// A change of static type is the host's.
// CHECK-LABEL: dycl.program @main
// CHECK-SAME: (%[[X:.+]]: tensor<4xf32>)
// CHECK-NEXT: %[[R:.+]] = tensor.cast %[[X]] : tensor<4xf32> to tensor<?xf32>
// CHECK-NEXT: dycl.return %[[R]]
// CHECK-NOT: func.func
dycl.program @main(%x: tensor<4xf32>) -> tensor<?xf32> {
  %0 = dycl.invoke @region_0(%x) : (tensor<4xf32>) -> tensor<?xf32>
  dycl.return %0 : tensor<?xf32>
}
func.func private @region_0(%x: tensor<4xf32>) -> tensor<?xf32> {
  %0 = tensor.cast %x : tensor<4xf32> to tensor<?xf32>
  return %0 : tensor<?xf32>
}
