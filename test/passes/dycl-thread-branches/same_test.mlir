// Canonicalized, a flag is the condition itself. A second branch on it is the same decision if it comes from the same
// line; two tests on two lines stay two decisions of the user's.
// RUN: dycl-opt %s --dycl-thread-branches | FileCheck %s

// CHECK-LABEL: func.func @same_line
// CHECK: scf.if
// CHECK: math.sin
// CHECK: math.exp
// CHECK-NOT: scf.if
// CHECK: return
func.func @same_line(%p: i1, %x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = scf.if %p -> (tensor<4xf32>) {
    %1 = math.sin %x : tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  } loc("net.py":7:5)
  %2 = scf.if %p -> (tensor<4xf32>) {
    scf.yield %0 : tensor<4xf32>
  } else {
    %3 = math.exp %0 : tensor<4xf32>
    scf.yield %3 : tensor<4xf32>
  } loc("net.py":7:9)
  return %2 : tensor<4xf32>
}

// CHECK-LABEL: func.func @two_lines
// CHECK-COUNT-2: scf.if
func.func @two_lines(%p: i1, %x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = scf.if %p -> (tensor<4xf32>) {
    %1 = math.sin %x : tensor<4xf32>
    scf.yield %1 : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  } loc("net.py":7:5)
  %2 = scf.if %p -> (tensor<4xf32>) {
    scf.yield %0 : tensor<4xf32>
  } else {
    %3 = math.exp %0 : tensor<4xf32>
    scf.yield %3 : tensor<4xf32>
  } loc("net.py":9:5)
  return %2 : tensor<4xf32>
}
