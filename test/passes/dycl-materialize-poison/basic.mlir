// RUN: dycl-opt %s --dycl-materialize-poison -split-input-file -verify-diagnostics | FileCheck %s

// Poison that reaches a computation, here through a branch and a loop, becomes zeros of its type; poison that is only
// passed on and returned stays.
// CHECK-LABEL: func.func @main
func.func @main(%p: i1, %n: index, %x: tensor<4xf32>, %y: tensor<8xi64>) -> (tensor<4xf32>, tensor<8xi64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK: scf.if
  // CHECK: else
  // CHECK-DAG: %[[ZERO:.+]] = arith.constant dense<0.000000e+00> : tensor<4xf32>
  // CHECK-DAG: %[[POISON:.+]] = ub.poison : tensor<8xi64>
  // CHECK: scf.yield %[[ZERO]], %[[POISON]]
  %0:2 = scf.if %p -> (tensor<4xf32>, tensor<8xi64>) {
    scf.yield %x, %y : tensor<4xf32>, tensor<8xi64>
  } else {
    %1 = ub.poison : tensor<4xf32>
    %2 = ub.poison : tensor<8xi64>
    scf.yield %1, %2 : tensor<4xf32>, tensor<8xi64>
  }
  %3 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %0#0) -> (tensor<4xf32>) {
    %4 = math.exp %a : tensor<4xf32>
    scf.yield %4 : tensor<4xf32>
  }
  return %3, %0#1 : tensor<4xf32>, tensor<8xi64>
}

// -----

// The loop-carried value is undefined at first, and only computed with after it is set.
// CHECK-LABEL: func.func @main
// CHECK: %[[POISON:.+]] = ub.poison
// CHECK: scf.while (%{{.+}} = %[[POISON]], %{{.+}} = %{{.+}})
func.func @main(%x: tensor<4xf32>, %n: i64) -> tensor<4xf32> {
  %c0 = arith.constant 0 : i64
  %c1 = arith.constant 1 : i64
  %poison = ub.poison : tensor<4xf32>
  %0:2 = scf.while (%a = %poison, %i = %c0) : (tensor<4xf32>, i64) -> (tensor<4xf32>, i64) {
    %p = arith.cmpi slt, %i, %n : i64
    scf.condition(%p) %a, %i : tensor<4xf32>, i64
  } do {
  ^bb0(%a: tensor<4xf32>, %i: i64):
    %1 = math.exp %x : tensor<4xf32>
    %2 = arith.addi %i, %c1 : i64
    scf.yield %1, %2 : tensor<4xf32>, i64
  }
  return %0#0 : tensor<4xf32>
}

// -----

// No stand-in has the right size where the size is dynamic.
func.func @main(%p: i1, %x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = scf.if %p -> (tensor<?xf32>) {
    scf.yield %x : tensor<?xf32>
  } else {
    // expected-error @+1 {{a value of type 'tensor<?xf32>' is undefined on this path, and no stand-in of that type can be made}}
    %1 = ub.poison : tensor<?xf32>
    scf.yield %1 : tensor<?xf32>
  }
  // expected-note @+1 {{it is computed with here}}
  %2 = arith.addf %0, %x : tensor<?xf32>
  return %2 : tensor<?xf32>
}

// -----

// The condition under which it is poison, yielded beside it by a branch around, keeps it from the computation: nothing
// has to stand for it, whatever its size.
// CHECK-LABEL: func.func @main
// CHECK: ub.poison : tensor<?xf32>
// CHECK-NOT: arith.constant dense
func.func @main(%p: i1, %q: i1, %x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
  %true = arith.constant true
  %false = arith.constant false
  %0:2 = scf.if %p -> (i1, tensor<?xf32>) {
    scf.yield %false, %x : i1, tensor<?xf32>
  } else {
    %1 = scf.if %q -> (tensor<?xf32>) {
      %2 = ub.poison : tensor<?xf32>
      scf.yield %2 : tensor<?xf32>
    } else {
      scf.yield %y : tensor<?xf32>
    }
    scf.yield %q, %1 : i1, tensor<?xf32>
  }
  %3 = scf.if %0#0 -> (tensor<?xf32>) {
    scf.yield %x : tensor<?xf32>
  } else {
    %4 = math.exp %0#1 : tensor<?xf32>
    scf.yield %4 : tensor<?xf32>
  }
  return %3 : tensor<?xf32>
}

// -----

// On this side of the condition it is computed with.
func.func @main(%q: i1, %x: tensor<?xf32>) -> tensor<?xf32> {
  %true = arith.constant true
  %false = arith.constant false
  %0:2 = scf.if %q -> (i1, tensor<?xf32>) {
    // expected-error @+1 {{a value of type 'tensor<?xf32>' is undefined on this path, and no stand-in of that type can be made}}
    %1 = ub.poison : tensor<?xf32>
    scf.yield %true, %1 : i1, tensor<?xf32>
  } else {
    scf.yield %false, %x : i1, tensor<?xf32>
  }
  %2 = scf.if %0#0 -> (tensor<?xf32>) {
    // expected-note @+1 {{it is computed with here}}
    %3 = arith.addf %0#1, %x : tensor<?xf32>
    scf.yield %3 : tensor<?xf32>
  } else {
    scf.yield %x : tensor<?xf32>
  }
  return %2 : tensor<?xf32>
}

// -----

// Of what is undefined, only the size is asked for: it is zero.
// CHECK-LABEL: func.func @main
// CHECK: %[[ZERO:.+]] = arith.constant dense<0.000000e+00> : tensor<0x4xf32>
// CHECK: %[[STAND_IN:.+]] = tensor.cast %[[ZERO]] : tensor<0x4xf32> to tensor<?x4xf32>
// CHECK: scf.yield %[[STAND_IN]] : tensor<?x4xf32>
func.func @main(%q: i1, %x: tensor<?x4xf32>) -> index {
  %c0 = arith.constant 0 : index
  %0 = scf.if %q -> (tensor<?x4xf32>) {
    scf.yield %x : tensor<?x4xf32>
  } else {
    %1 = ub.poison : tensor<?x4xf32>
    scf.yield %1 : tensor<?x4xf32>
  }
  %2 = tensor.dim %0, %c0 : tensor<?x4xf32>
  return %2 : index
}

// -----

// What tells that it is undefined may be computed of conditions.
// CHECK-LABEL: func.func @main
// CHECK: ub.poison : tensor<?xf32>
// CHECK-NOT: arith.constant dense
func.func @main(%p: i1, %q: i1, %x: tensor<?xf32>) -> tensor<?xf32> {
  %true = arith.constant true
  %false = arith.constant false
  %0 = scf.if %p -> (tensor<?xf32>) {
    %1 = ub.poison : tensor<?xf32>
    scf.yield %1 : tensor<?xf32>
  } else {
    %2 = scf.if %q -> (tensor<?xf32>) {
      %3 = ub.poison : tensor<?xf32>
      scf.yield %3 : tensor<?xf32>
    } else {
      scf.yield %x : tensor<?xf32>
    }
    scf.yield %2 : tensor<?xf32>
  }
  %4 = arith.xori %q, %true : i1
  %found = arith.select %p, %false, %4 : i1
  %5 = scf.if %found -> (tensor<?xf32>) {
    %6 = math.exp %0 : tensor<?xf32>
    scf.yield %6 : tensor<?xf32>
  } else {
    scf.yield %x : tensor<?xf32>
  }
  return %5 : tensor<?xf32>
}

// -----

// ... also by a number that a branch yields, different on each of its sides.
// CHECK-LABEL: func.func @main
// CHECK: ub.poison : tensor<?xf32>
// CHECK-NOT: tensor.cast
func.func @main(%p: i1, %x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = ub.poison : tensor<?xf32>
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %kind = scf.if %p -> (i64) {
    scf.yield %zero : i64
  } else {
    scf.yield %one : i64
  }
  %found = arith.cmpi eq, %kind, %one : i64
  %1 = scf.if %found -> (tensor<?xf32>) {
    %2 = scf.if %p -> (tensor<?xf32>) {
      scf.yield %0 : tensor<?xf32>
    } else {
      scf.yield %x : tensor<?xf32>
    }
    %3 = math.exp %2 : tensor<?xf32>
    %4 = arith.addf %3, %x : tensor<?xf32>
    scf.yield %4 : tensor<?xf32>
  } else {
    scf.yield %x : tensor<?xf32>
  }
  return %1 : tensor<?xf32>
}

// -----

// Here it is computed with on the side where it is undefined.
func.func @main(%p: i1, %x: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error@+1 {{a value of type 'tensor<?xf32>' is undefined on this path, and no stand-in of that type can be made}}
  %0 = ub.poison : tensor<?xf32>
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %kind = scf.if %p -> (i64) {
    scf.yield %zero : i64
  } else {
    scf.yield %one : i64
  }
  %found = arith.cmpi eq, %kind, %zero : i64
  %1 = scf.if %found -> (tensor<?xf32>) {
    %2 = scf.if %p -> (tensor<?xf32>) {
      scf.yield %0 : tensor<?xf32>
    } else {
      scf.yield %x : tensor<?xf32>
    }
    // expected-note@+1 {{it is computed with here}}
    %3 = arith.addf %2, %x : tensor<?xf32>
    scf.yield %3 : tensor<?xf32>
  } else {
    scf.yield %x : tensor<?xf32>
  }
  return %1 : tensor<?xf32>
}

// -----

// More values than are followed with what is known beside them, and none is computed with.
// CHECK-LABEL: func.func @main
// CHECK: ub.poison : tensor<?xf32>
// CHECK-NOT: arith.constant dense
func.func @main(%p0: i1, %p1: i1, %p2: i1, %p3: i1, %p4: i1, %p5: i1, %p6: i1, %p7: i1, %p8: i1) -> tensor<?xf32> {
  %0 = ub.poison : tensor<?xf32>
  %1 = scf.if %p0 -> (tensor<?xf32>) {
    scf.yield %0 : tensor<?xf32>
  } else {
    scf.yield %0 : tensor<?xf32>
  }
  %2 = scf.if %p1 -> (tensor<?xf32>) {
    scf.yield %1 : tensor<?xf32>
  } else {
    scf.yield %1 : tensor<?xf32>
  }
  %3 = scf.if %p2 -> (tensor<?xf32>) {
    scf.yield %2 : tensor<?xf32>
  } else {
    scf.yield %2 : tensor<?xf32>
  }
  %4 = scf.if %p3 -> (tensor<?xf32>) {
    scf.yield %3 : tensor<?xf32>
  } else {
    scf.yield %3 : tensor<?xf32>
  }
  %5 = scf.if %p4 -> (tensor<?xf32>) {
    scf.yield %4 : tensor<?xf32>
  } else {
    scf.yield %4 : tensor<?xf32>
  }
  %6 = scf.if %p5 -> (tensor<?xf32>) {
    scf.yield %5 : tensor<?xf32>
  } else {
    scf.yield %5 : tensor<?xf32>
  }
  %7 = scf.if %p6 -> (tensor<?xf32>) {
    scf.yield %6 : tensor<?xf32>
  } else {
    scf.yield %6 : tensor<?xf32>
  }
  %8 = scf.if %p7 -> (tensor<?xf32>) {
    scf.yield %7 : tensor<?xf32>
  } else {
    scf.yield %7 : tensor<?xf32>
  }
  %9 = scf.if %p8 -> (tensor<?xf32>) {
    scf.yield %8 : tensor<?xf32>
  } else {
    scf.yield %8 : tensor<?xf32>
  }
  return %9 : tensor<?xf32>
}

// -----

// ... nor where one computes with it besides asking for its size.
func.func @main(%p0: i1, %p1: i1, %p2: i1, %p3: i1, %p4: i1, %p5: i1, %p6: i1, %p7: i1, %p8: i1, %x: tensor<?xf32>) -> (index, tensor<?xf32>) {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{a value of type 'tensor<?xf32>' is undefined on this path, and no stand-in of that type can be made}}
  %0 = ub.poison : tensor<?xf32>
  %1 = scf.if %p0 -> (tensor<?xf32>) {
    scf.yield %0 : tensor<?xf32>
  } else {
    scf.yield %0 : tensor<?xf32>
  }
  %2 = scf.if %p1 -> (tensor<?xf32>) {
    scf.yield %1 : tensor<?xf32>
  } else {
    scf.yield %1 : tensor<?xf32>
  }
  %3 = scf.if %p2 -> (tensor<?xf32>) {
    scf.yield %2 : tensor<?xf32>
  } else {
    scf.yield %2 : tensor<?xf32>
  }
  %4 = scf.if %p3 -> (tensor<?xf32>) {
    scf.yield %3 : tensor<?xf32>
  } else {
    scf.yield %3 : tensor<?xf32>
  }
  %5 = scf.if %p4 -> (tensor<?xf32>) {
    scf.yield %4 : tensor<?xf32>
  } else {
    scf.yield %4 : tensor<?xf32>
  }
  %6 = scf.if %p5 -> (tensor<?xf32>) {
    scf.yield %5 : tensor<?xf32>
  } else {
    scf.yield %5 : tensor<?xf32>
  }
  %7 = scf.if %p6 -> (tensor<?xf32>) {
    scf.yield %6 : tensor<?xf32>
  } else {
    scf.yield %6 : tensor<?xf32>
  }
  %8 = scf.if %p7 -> (tensor<?xf32>) {
    scf.yield %7 : tensor<?xf32>
  } else {
    scf.yield %7 : tensor<?xf32>
  }
  %9 = scf.if %p8 -> (tensor<?xf32>) {
    scf.yield %8 : tensor<?xf32>
  } else {
    scf.yield %8 : tensor<?xf32>
  }
  %size = tensor.dim %0, %c0 : tensor<?xf32>
  // expected-note @+1 {{it is computed with here}}
  %10 = arith.addf %9, %x : tensor<?xf32>
  return %size, %10 : index, tensor<?xf32>
}

// -----

// What computes nothing where there are no elements takes a stand-in of size zero: the transposition, and what adds a
// number a channel to it.
// CHECK-LABEL: func.func @main
// CHECK: %[[ZERO:.+]] = arith.constant dense<0.000000e+00> : tensor<1x0x3xf32>
// CHECK: %[[STAND_IN:.+]] = tensor.cast %[[ZERO]] : tensor<1x0x3xf32> to tensor<1x?x3xf32>
// CHECK: scf.yield %[[STAND_IN]] : tensor<1x?x3xf32>
func.func @main(%p: i1, %x: tensor<1x?x3xf32>, %bias: tensor<3xf32>) -> (tensor<1x3x?xf32>, tensor<?x3xf32>) {
  %c1 = arith.constant 1 : index
  %0 = scf.if %p -> (tensor<1x?x3xf32>) {
    scf.yield %x : tensor<1x?x3xf32>
  } else {
    %6 = ub.poison : tensor<1x?x3xf32>
    scf.yield %6 : tensor<1x?x3xf32>
  }
  %size = tensor.dim %0, %c1 : tensor<1x?x3xf32>
  %1 = tensor.empty(%size) : tensor<1x3x?xf32>
  %2 = linalg.transpose ins(%0 : tensor<1x?x3xf32>) outs(%1 : tensor<1x3x?xf32>) permutation = [0, 2, 1]
  %3 = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d1)>,
                                        affine_map<(d0, d1, d2) -> (d0, d1, d2)>],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%2, %bias : tensor<1x3x?xf32>, tensor<3xf32>) outs(%1 : tensor<1x3x?xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %6 = arith.addf %a, %b : f32
    linalg.yield %6 : f32
  } -> tensor<1x3x?xf32>
  %4 = math.exp %0 : tensor<1x?x3xf32>
  %5 = tensor.collapse_shape %4 [[0, 1], [2]] : tensor<1x?x3xf32> into tensor<?x3xf32>
  return %3, %5 : tensor<1x3x?xf32>, tensor<?x3xf32>
}

// -----

// Another operand has elements, which would be added to none.
func.func @main(%p: i1, %x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
  %0 = scf.if %p -> (tensor<?xf32>) {
    scf.yield %x : tensor<?xf32>
  } else {
    // expected-error @+1 {{a value of type 'tensor<?xf32>' is undefined on this path, and no stand-in of that type can be made}}
    %1 = ub.poison : tensor<?xf32>
    scf.yield %1 : tensor<?xf32>
  }
  // expected-note @+1 {{it is computed with here}}
  %2 = arith.addf %0, %y : tensor<?xf32>
  return %2 : tensor<?xf32>
}

// -----

// ... and so has one whose static size the loop over a dynamic one is of,
#vector = affine_map<(d0) -> (d0)>
func.func @main(%p: i1, %x: tensor<?xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %0 = scf.if %p -> (tensor<?xf32>) {
    scf.yield %x : tensor<?xf32>
  } else {
    // expected-error @+1 {{a value of type 'tensor<?xf32>' is undefined on this path, and no stand-in of that type can be made}}
    %1 = ub.poison : tensor<?xf32>
    scf.yield %1 : tensor<?xf32>
  }
  // expected-note @+1 {{it is computed with here}}
  %2 = linalg.generic {indexing_maps = [#vector, #vector], iterator_types = ["parallel"]}
      ins(%0 : tensor<?xf32>) outs(%y : tensor<4xf32>) {
  ^bb0(%a: f32, %out: f32):
    %3 = math.exp %a : f32
    linalg.yield %3 : f32
  } -> tensor<4xf32>
  return %2 : tensor<4xf32>
}

// -----

// ... and the result, where its size is another's.
#vector = affine_map<(d0) -> (d0)>
func.func @main(%p: i1, %x: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  %0 = scf.if %p -> (tensor<?xf32>) {
    scf.yield %x : tensor<?xf32>
  } else {
    // expected-error @+1 {{a value of type 'tensor<?xf32>' is undefined on this path, and no stand-in of that type can be made}}
    %1 = ub.poison : tensor<?xf32>
    scf.yield %1 : tensor<?xf32>
  }
  %empty = tensor.empty(%n) : tensor<?xf32>
  // expected-note @+1 {{it is computed with here}}
  %2 = linalg.generic {indexing_maps = [#vector, #vector], iterator_types = ["parallel"]}
      ins(%0 : tensor<?xf32>) outs(%empty : tensor<?xf32>) {
  ^bb0(%a: f32, %out: f32):
    %3 = math.exp %a : f32
    linalg.yield %3 : f32
  } -> tensor<?xf32>
  return %2 : tensor<?xf32>
}

// -----

// A number that the loop carries beside it tells where it is undefined: 0, until the body sets both.
// CHECK-LABEL: func.func @main
// CHECK: ub.poison : tensor<?xf32>
// CHECK-NOT: arith.constant dense<0.000000e+00>
#scalar = affine_map<() -> ()>
func.func @main(%n: i64, %x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
  %poison = ub.poison : tensor<?xf32>
  %zero = arith.constant dense<0> : tensor<i64>
  %one = arith.constant dense<1> : tensor<i64>
  %c0 = arith.constant 0 : i64
  %c1 = arith.constant 1 : i64
  %0:3 = scf.while (%i = %c0, %best = %poison, %tag = %zero) : (i64, tensor<?xf32>, tensor<i64>) -> (i64, tensor<?xf32>, tensor<i64>) {
    %4 = arith.cmpi slt, %i, %n : i64
    scf.condition(%4) %i, %best, %tag : i64, tensor<?xf32>, tensor<i64>
  } do {
  ^bb0(%i: i64, %best: tensor<?xf32>, %tag: tensor<i64>):
    %q = arith.trunci %i : i64 to i1
    %4:2 = scf.if %q -> (tensor<?xf32>, tensor<i64>) {
      scf.yield %x, %one : tensor<?xf32>, tensor<i64>
    } else {
      scf.yield %best, %tag : tensor<?xf32>, tensor<i64>
    }
    %5 = arith.addi %i, %c1 : i64
    scf.yield %5, %4#0, %4#1 : i64, tensor<?xf32>, tensor<i64>
  }
  %1 = tensor.empty() : tensor<i1>
  %2 = linalg.generic {indexing_maps = [#scalar, #scalar, #scalar], iterator_types = []}
      ins(%0#2, %one : tensor<i64>, tensor<i64>) outs(%1 : tensor<i1>) {
  ^bb0(%a: i64, %b: i64, %out: i1):
    %4 = arith.cmpi eq, %a, %b : i64
    linalg.yield %4 : i1
  } -> tensor<i1>
  %found = tensor.extract %2[] : tensor<i1>
  %3 = scf.if %found -> (tensor<?xf32>) {
    %4 = arith.addf %0#1, %y : tensor<?xf32>
    scf.yield %4 : tensor<?xf32>
  } else {
    scf.yield %y : tensor<?xf32>
  }
  return %3 : tensor<?xf32>
}

// -----

// The number is set in the loop, the value is not: what the number was before does not count.
func.func @main(%n: i64, %y: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error @+1 {{a value of type 'tensor<?xf32>' is undefined on this path, and no stand-in of that type can be made}}
  %poison = ub.poison : tensor<?xf32>
  %c0 = arith.constant 0 : i64
  %c1 = arith.constant 1 : i64
  %0:3 = scf.while (%i = %c0, %best = %poison, %tag = %c0) : (i64, tensor<?xf32>, i64) -> (i64, tensor<?xf32>, i64) {
    %2 = arith.cmpi slt, %i, %n : i64
    scf.condition(%2) %i, %best, %tag : i64, tensor<?xf32>, i64
  } do {
  ^bb0(%i: i64, %best: tensor<?xf32>, %tag: i64):
    %2 = arith.addi %i, %c1 : i64
    scf.yield %2, %best, %c1 : i64, tensor<?xf32>, i64
  }
  %found = arith.cmpi eq, %0#2, %c1 : i64
  %1 = scf.if %found -> (tensor<?xf32>) {
    // expected-note @+1 {{it is computed with here}}
    %2 = arith.addf %0#1, %y : tensor<?xf32>
    scf.yield %2 : tensor<?xf32>
  } else {
    scf.yield %y : tensor<?xf32>
  }
  return %1 : tensor<?xf32>
}

// -----

// What is put behind a list that is undefined: the list may be empty, and what follows goes by the sizes of the result.
// CHECK-LABEL: func.func @main
// CHECK: %[[NONE:.+]] = arith.constant dense<0.000000e+00> : tensor<0xf32>
// CHECK: tensor.cast %[[NONE]] : tensor<0xf32> to tensor<?xf32>
#vector = affine_map<(d0) -> (d0)>
func.func @main(%p: i1, %x: tensor<?xf32>, %y: tensor<1xf32>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %0 = scf.if %p -> (tensor<?xf32>) {
    scf.yield %x : tensor<?xf32>
  } else {
    %1 = ub.poison : tensor<?xf32>
    scf.yield %1 : tensor<?xf32>
  }
  %2 = tensor.concat dim(0) %0, %y : (tensor<?xf32>, tensor<1xf32>) -> tensor<?xf32>
  %3 = tensor.dim %2, %c0 : tensor<?xf32>
  %4 = tensor.empty(%3) : tensor<?xf32>
  %5 = linalg.generic {indexing_maps = [#vector, #vector], iterator_types = ["parallel"]}
      ins(%2 : tensor<?xf32>) outs(%4 : tensor<?xf32>) {
  ^bb0(%in: f32, %out: f32):
    %6 = arith.negf %in : f32
    linalg.yield %6 : f32
  } -> tensor<?xf32>
  return %5 : tensor<?xf32>
}

// -----

// Beside it, of rows whose number is dynamic: there may be others on the other side.
func.func @main(%p: i1, %x: tensor<?x2xf32>, %y: tensor<?x2xf32>) -> tensor<?x4xf32> {
  %0 = scf.if %p -> (tensor<?x2xf32>) {
    scf.yield %x : tensor<?x2xf32>
  } else {
    // expected-error @+1 {{a value of type 'tensor<?x2xf32>' is undefined on this path, and no stand-in of that type can be made}}
    %1 = ub.poison : tensor<?x2xf32>
    scf.yield %1 : tensor<?x2xf32>
  }
  // expected-note @+1 {{it is computed with here}}
  %2 = tensor.concat dim(1) %0, %y : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x4xf32>
  return %2 : tensor<?x4xf32>
}
