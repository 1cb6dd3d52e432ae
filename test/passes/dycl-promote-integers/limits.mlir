// What stays a tensor.
// RUN: dycl-opt %s --dycl-promote-integers | FileCheck %s

#s = affine_map<() -> ()>

// An output of the program, also through another branch.
// CHECK-LABEL: func.func @output
// CHECK: scf.if {{.*}} -> (tensor<i64>)
// CHECK: scf.if {{.*}} -> (tensor<i64>)
func.func @output(%p: i1, %q: i1) -> (tensor<i64>, i64) {
  %zero = arith.constant dense<0> : tensor<i64>
  %one = arith.constant dense<1> : tensor<i64>
  %0 = scf.if %p -> (tensor<i64>) {
    scf.yield %one : tensor<i64>
  } else {
    scf.yield %zero : tensor<i64>
  }
  %1 = scf.if %q -> (tensor<i64>) {
    scf.yield %0 : tensor<i64>
  } else {
    scf.yield %one : tensor<i64>
  }
  %2 = tensor.extract %0[] : tensor<i64>
  return %1, %2 : tensor<i64>, i64
}

// The constant of an output does not tie the flag to it.
// CHECK-LABEL: func.func @shared_constant
// CHECK: scf.if {{.*}} -> (tensor<i64>, i64)
func.func @shared_constant(%p: i1) -> (tensor<i64>, i64) {
  %zero = arith.constant dense<0> : tensor<i64>
  %one = arith.constant dense<1> : tensor<i64>
  %0:2 = scf.if %p -> (tensor<i64>, tensor<i64>) {
    scf.yield %one, %zero : tensor<i64>, tensor<i64>
  } else {
    scf.yield %zero, %one : tensor<i64>, tensor<i64>
  }
  %1 = tensor.extract %0#1[] : tensor<i64>
  return %0#0, %1 : tensor<i64>, i64
}

// What a region computes would have to be read on the host.
// CHECK-LABEL: func.func @of_region
// CHECK: tensor.from_elements
// CHECK: scf.if {{.*}} -> (tensor<i64>, tensor<i64>)
func.func @of_region(%p: i1, %x: tensor<4xi64>, %y: tensor<1xi64>) -> (i64, i64) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0> : tensor<i64>
  %element = tensor.extract %x[%c0] : tensor<4xi64>
  %made = tensor.from_elements %element : tensor<i64>
  %collapsed = tensor.collapse_shape %y [] : tensor<1xi64> into tensor<i64>
  %0:2 = scf.if %p -> (tensor<i64>, tensor<i64>) {
    scf.yield %made, %collapsed : tensor<i64>, tensor<i64>
  } else {
    scf.yield %zero, %zero : tensor<i64>, tensor<i64>
  }
  %1 = tensor.extract %0#0[] : tensor<i64>
  %2 = tensor.extract %0#1[] : tensor<i64>
  return %1, %2 : i64, i64
}

// An argument of the program; a float; an integer that is not the host's; one of higher rank.
// CHECK-LABEL: func.func @kinds
// CHECK: scf.if {{.*}} -> (tensor<i64>, tensor<f64>, tensor<i32>, tensor<1xi64>)
func.func @kinds(%p: i1, %n: tensor<i64>) -> (i64, f64, i32, i64) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0> : tensor<i64>
  %f0 = arith.constant dense<0.0> : tensor<f64>
  %f1 = arith.constant dense<1.0> : tensor<f64>
  %i0 = arith.constant dense<0> : tensor<i32>
  %i1 = arith.constant dense<1> : tensor<i32>
  %v0 = arith.constant dense<0> : tensor<1xi64>
  %v1 = arith.constant dense<1> : tensor<1xi64>
  %0:4 = scf.if %p -> (tensor<i64>, tensor<f64>, tensor<i32>, tensor<1xi64>) {
    scf.yield %n, %f1, %i1, %v1 : tensor<i64>, tensor<f64>, tensor<i32>, tensor<1xi64>
  } else {
    scf.yield %zero, %f0, %i0, %v0 : tensor<i64>, tensor<f64>, tensor<i32>, tensor<1xi64>
  }
  %1 = tensor.extract %0#0[] : tensor<i64>
  %2 = tensor.extract %0#1[] : tensor<f64>
  %3 = tensor.extract %0#2[] : tensor<i32>
  %4 = tensor.extract %0#3[%c0] : tensor<1xi64>
  return %1, %2, %3, %4 : i64, f64, i32, i64
}

// A tensor operation reads it.
// CHECK-LABEL: func.func @read_by_region
// CHECK: scf.if {{.*}} -> (tensor<i64>)
func.func @read_by_region(%p: i1) -> (tensor<1xi64>, i64) {
  %zero = arith.constant dense<0> : tensor<i64>
  %one = arith.constant dense<1> : tensor<i64>
  %0 = scf.if %p -> (tensor<i64>) {
    scf.yield %one : tensor<i64>
  } else {
    scf.yield %zero : tensor<i64>
  }
  %1 = tensor.expand_shape %0 [] output_shape [1] : tensor<i64> into tensor<1xi64>
  %2 = tensor.extract %0[] : tensor<i64>
  return %1, %2 : tensor<1xi64>, i64
}

// Python has no operation that is this one: an unsigned division.
// CHECK-LABEL: func.func @not_exact
// CHECK: scf.if {{.*}} -> (tensor<i64>)
func.func @not_exact(%p: i1) -> i64 {
  %one = arith.constant dense<1> : tensor<i64>
  %two = arith.constant dense<2> : tensor<i64>
  %0 = scf.if %p -> (tensor<i64>) {
    scf.yield %one : tensor<i64>
  } else {
    scf.yield %two : tensor<i64>
  }
  %empty = tensor.empty() : tensor<i64>
  %1 = linalg.generic {indexing_maps = [#s, #s, #s], iterator_types = []}
      ins(%two, %0 : tensor<i64>, tensor<i64>) outs(%empty : tensor<i64>) {
  ^bb0(%l: i64, %r: i64, %out: i64):
    %2 = arith.divui %l, %r : i64
    linalg.yield %2 : i64
  } -> tensor<i64>
  %3 = tensor.extract %1[] : tensor<i64>
  return %3 : i64
}

// Python's integers do not wrap: what doubles, or a number that nothing bounds.
// CHECK-LABEL: func.func @doubling
// CHECK: scf.for {{.*}} -> (tensor<i64>)
func.func @doubling(%trips: index) -> i64 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant dense<1> : tensor<i64>
  %empty = tensor.empty() : tensor<i64>
  %0 = scf.for %i = %c0 to %trips step %c1 iter_args(%n = %one) -> (tensor<i64>) {
    %1 = linalg.generic {indexing_maps = [#s, #s, #s], iterator_types = []}
        ins(%n, %n : tensor<i64>, tensor<i64>) outs(%empty : tensor<i64>) {
    ^bb0(%l: i64, %r: i64, %out: i64):
      %2 = arith.addi %l, %r : i64
      linalg.yield %2 : i64
    } -> tensor<i64>
    scf.yield %1 : tensor<i64>
  }
  %3 = tensor.extract %0[] : tensor<i64>
  return %3 : i64
}

// CHECK-LABEL: func.func @multiplying
// CHECK: scf.for {{.*}} -> (tensor<i64>)
func.func @multiplying(%trips: index) -> i64 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %three = arith.constant dense<3> : tensor<i64>
  %empty = tensor.empty() : tensor<i64>
  %0 = scf.for %i = %c0 to %trips step %c1 iter_args(%n = %three) -> (tensor<i64>) {
    %1 = linalg.generic {indexing_maps = [#s, #s, #s], iterator_types = []}
        ins(%n, %three : tensor<i64>, tensor<i64>) outs(%empty : tensor<i64>) {
    ^bb0(%l: i64, %r: i64, %out: i64):
      %2 = arith.muli %l, %r : i64
      linalg.yield %2 : i64
    } -> tensor<i64>
    scf.yield %1 : tensor<i64>
  }
  %3 = tensor.extract %0[] : tensor<i64>
  return %3 : i64
}

// CHECK-LABEL: func.func @unbounded
// CHECK: linalg.generic
func.func @unbounded(%trips: index) -> i64 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n0 = arith.constant 0 : i64
  %one = arith.constant dense<1> : tensor<i64>
  %empty = tensor.empty() : tensor<i64>
  %0 = scf.for %i = %c0 to %trips step %c1 iter_args(%n = %n0) -> (i64) {
    %made = tensor.from_elements %n : tensor<i64>
    %1 = linalg.generic {indexing_maps = [#s, #s, #s], iterator_types = []}
        ins(%made, %one : tensor<i64>, tensor<i64>) outs(%empty : tensor<i64>) {
    ^bb0(%l: i64, %r: i64, %out: i64):
      %2 = arith.addi %l, %r : i64
      linalg.yield %2 : i64
    } -> tensor<i64>
    %3 = tensor.extract %1[] : tensor<i64>
    scf.yield %3 : i64
  }
  return %0 : i64
}

// A product of what is bounded cannot wrap.
// CHECK-LABEL: func.func @product
// CHECK: arith.muli
// CHECK-NOT: linalg.generic
func.func @product(%p: i1) -> i64 {
  %three = arith.constant dense<3> : tensor<i64>
  %nine = arith.constant dense<-9> : tensor<i64>
  %empty = tensor.empty() : tensor<i64>
  %0 = scf.if %p -> (tensor<i64>) {
    scf.yield %three : tensor<i64>
  } else {
    scf.yield %nine : tensor<i64>
  }
  %1 = linalg.generic {indexing_maps = [#s, #s, #s], iterator_types = []}
      ins(%0, %0 : tensor<i64>, tensor<i64>) outs(%empty : tensor<i64>) {
  ^bb0(%l: i64, %r: i64, %out: i64):
    %2 = arith.muli %l, %r : i64
    linalg.yield %2 : i64
  } -> tensor<i64>
  %3 = tensor.extract %1[] : tensor<i64>
  return %3 : i64
}
