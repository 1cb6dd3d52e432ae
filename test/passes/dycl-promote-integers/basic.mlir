// RUN: dycl-opt %s --dycl-promote-integers | FileCheck %s

#s = affine_map<() -> ()>

// The count of an `if`, and the comparison that reads it.
// CHECK-LABEL: func.func @branch
// CHECK-SAME: %[[P:.*]]: i1
// CHECK: %[[N:.*]]:2 = scf.if %[[P]] -> (i64, tensor<4xf32>) {
// CHECK: %[[C1:.*]] = arith.constant 1 : i64
// CHECK: scf.yield %[[C1]], %{{.*}} : i64, tensor<4xf32>
// CHECK: %[[C0:.*]] = arith.constant 0 : i64
// CHECK: scf.yield %[[C0]], %{{.*}} : i64, tensor<4xf32>
// CHECK: %[[C2:.*]] = arith.constant 2 : i64
// CHECK: %[[Q:.*]] = arith.cmpi eq, %[[N]]#0, %[[C2]] : i64
// CHECK: return %[[N]]#1, %[[Q]]
func.func @branch(%p: i1, %x: tensor<4xf32>) -> (tensor<4xf32>, i1) {
  %zero = arith.constant dense<0> : tensor<i64>
  %one = arith.constant dense<1> : tensor<i64>
  %two = arith.constant dense<2> : tensor<i64>
  %0:2 = scf.if %p -> (tensor<i64>, tensor<4xf32>) {
    %y = math.exp %x : tensor<4xf32>
    scf.yield %one, %y : tensor<i64>, tensor<4xf32>
  } else {
    scf.yield %zero, %x : tensor<i64>, tensor<4xf32>
  }
  %empty = tensor.empty() : tensor<i1>
  %1 = linalg.generic {indexing_maps = [#s, #s, #s], iterator_types = []}
      ins(%0#0, %two : tensor<i64>, tensor<i64>) outs(%empty : tensor<i1>) {
  ^bb0(%a: i64, %b: i64, %out: i1):
    %2 = arith.cmpi eq, %a, %b : i64
    linalg.yield %2 : i1
  } -> tensor<i1>
  %3 = tensor.extract %1[] : tensor<i1>
  return %0#1, %3 : tensor<4xf32>, i1
}

// A count that a loop carries and tests; it is taken not to overflow. The loop may make no trip.
// CHECK-LABEL: func.func @counting_loop
// CHECK: %[[C0:.*]] = arith.constant 0 : i64
// CHECK: scf.while (%[[N:.*]] = %[[C0]], %[[A:.*]] = %{{.*}}) : (i64, tensor<4xf32>) -> (tensor<4xf32>, i64) {
// CHECK: %[[C7:.*]] = arith.constant 7 : i64
// CHECK: %[[Q:.*]] = arith.cmpi slt, %[[N]], %[[C7]] : i64
// CHECK: scf.condition(%[[Q]]) %[[A]], %[[N]] : tensor<4xf32>, i64
// CHECK: ^bb0(%[[B:.*]]: tensor<4xf32>, %[[M:.*]]: i64):
// CHECK: %[[C1:.*]] = arith.constant 1 : i64
// CHECK: %[[K:.*]] = arith.addi %[[M]], %[[C1]] : i64
// CHECK: scf.yield %[[K]], %{{.*}} : i64, tensor<4xf32>
func.func @counting_loop(%x: tensor<4xf32>) -> (tensor<4xf32>, i64) {
  %zero = arith.constant dense<0> : tensor<i64>
  %one = arith.constant dense<1> : tensor<i64>
  %seven = arith.constant dense<7> : tensor<i64>
  %flag = tensor.empty() : tensor<i1>
  %number = tensor.empty() : tensor<i64>
  // What the loop carries is in another order before its test than after it.
  %0:2 = scf.while (%n = %zero, %a = %x) : (tensor<i64>, tensor<4xf32>) -> (tensor<4xf32>, tensor<i64>) {
    %1 = linalg.generic {indexing_maps = [#s, #s, #s], iterator_types = []}
        ins(%n, %seven : tensor<i64>, tensor<i64>) outs(%flag : tensor<i1>) {
    ^bb0(%l: i64, %r: i64, %out: i1):
      %2 = arith.cmpi slt, %l, %r : i64
      linalg.yield %2 : i1
    } -> tensor<i1>
    %3 = tensor.extract %1[] : tensor<i1>
    scf.condition(%3) %a, %n : tensor<4xf32>, tensor<i64>
  } do {
  ^bb0(%a: tensor<4xf32>, %n: tensor<i64>):
    %1 = math.exp %a : tensor<4xf32>
    %2 = linalg.generic {indexing_maps = [#s, #s, #s], iterator_types = []}
        ins(%n, %one : tensor<i64>, tensor<i64>) outs(%number : tensor<i64>) {
    ^bb0(%l: i64, %r: i64, %out: i64):
      %3 = arith.addi %l, %r : i64
      linalg.yield %3 : i64
    } -> tensor<i64>
    scf.yield %2, %1 : tensor<i64>, tensor<4xf32>
  }
  %4 = tensor.extract %0#1[] : tensor<i64>
  return %0#0, %4 : tensor<4xf32>, i64
}

// A flag and a count that a loop exchanges with what else it carries, with a branch in it.
// CHECK-LABEL: func.func @nested
// CHECK: %[[L:.*]]:3 = scf.for {{.*}} iter_args(%[[F:.*]] = %{{.*}}, %[[X:.*]] = %{{.*}}, %[[N:.*]] = %{{.*}}) -> (i1, tensor<4xf32>, i64)
// CHECK: scf.if %[[F]] -> (i64)
// CHECK: arith.addi %[[N]]
// CHECK: arith.cmpi sgt
// CHECK: scf.yield %{{.*}}, %{{.*}}, %{{.*}} : i1, tensor<4xf32>, i64
// CHECK: return %[[L]]#1, %[[L]]#2, %[[L]]#0
func.func @nested(%x: tensor<4xf32>, %trips: index) -> (tensor<4xf32>, i64, i1) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %no = arith.constant dense<false> : tensor<i1>
  %zero = arith.constant dense<0> : tensor<i64>
  %three = arith.constant 3 : i64
  %flag = tensor.empty() : tensor<i1>
  %number = tensor.empty() : tensor<i64>
  %0:3 = scf.for %i = %c0 to %trips step %c1 iter_args(%f = %no, %a = %x, %n = %zero)
      -> (tensor<i1>, tensor<4xf32>, tensor<i64>) {
    %p = tensor.extract %f[] : tensor<i1>
    %1 = scf.if %p -> (tensor<i64>) {
      scf.yield %zero : tensor<i64>
    } else {
      %2 = linalg.generic {indexing_maps = [#s, #s], iterator_types = []}
          ins(%n : tensor<i64>) outs(%number : tensor<i64>) {
      ^bb0(%l: i64, %out: i64):
        %3 = arith.addi %l, %three : i64
        linalg.yield %3 : i64
      } -> tensor<i64>
      scf.yield %2 : tensor<i64>
    }
    %4 = linalg.generic {indexing_maps = [#s, #s, #s], iterator_types = []}
        ins(%1, %n : tensor<i64>, tensor<i64>) outs(%flag : tensor<i1>) {
    ^bb0(%l: i64, %r: i64, %out: i1):
      %5 = arith.cmpi sgt, %l, %r : i64
      linalg.yield %5 : i1
    } -> tensor<i1>
    %6 = math.exp %a : tensor<4xf32>
    scf.yield %4, %6, %1 : tensor<i1>, tensor<4xf32>, tensor<i64>
  }
  %7 = tensor.extract %0#2[] : tensor<i64>
  %8 = tensor.extract %0#0[] : tensor<i1>
  return %0#1, %7, %8 : tensor<4xf32>, i64, i1
}

// A scalar that decides a branch is the host's anyway; a value that a path leaves undefined is an undefined scalar; a
// region's index reads the scalar.
// CHECK-LABEL: func.func @sources
// CHECK-SAME: %[[X:.*]]: tensor<4xi1>, %[[K:.*]]: index
// CHECK: %[[P:.*]] = tensor.extract %[[X]]
// CHECK: scf.index_switch %[[K]] -> i1, i64
// CHECK: scf.yield %[[P]], %{{.*}} : i1, i64
// CHECK: default
// CHECK: %[[U:.*]] = ub.poison : i64
// CHECK: scf.yield %{{.*}}, %[[U]]
// CHECK: tensor.generate
// CHECK: arith.index_cast %{{.*}} : i64 to index
func.func @sources(%x: tensor<4xi1>, %k: index) -> (i1, tensor<2xindex>, tensor<4xi1>) {
  %c0 = arith.constant 0 : index
  %yes = arith.constant dense<true> : tensor<i1>
  %one = arith.constant dense<1> : tensor<i64>
  %undefined = ub.poison : tensor<i64>
  %p = tensor.extract %x[%c0] : tensor<4xi1>
  %flag = tensor.empty() : tensor<i1>
  %filled = linalg.fill ins(%p : i1) outs(%flag : tensor<i1>) -> tensor<i1>
  %0:2 = scf.index_switch %k -> tensor<i1>, tensor<i64>
  case 0 {
    scf.yield %filled, %one : tensor<i1>, tensor<i64>
  }
  default {
    scf.yield %yes, %undefined : tensor<i1>, tensor<i64>
  }
  %1 = tensor.extract %0#0[] : tensor<i1>
  %2 = tensor.generate {
  ^bb0(%i: index):
    %3 = tensor.extract %0#1[] : tensor<i64>
    %4 = arith.index_cast %3 : i64 to index
    tensor.yield %4 : index
  } : tensor<2xindex>
  %5 = scf.if %p -> (tensor<4xi1>) {
    scf.yield %x : tensor<4xi1>
  } else {
    %6 = tensor.empty() : tensor<4xi1>
    scf.yield %6 : tensor<4xi1>
  }
  return %1, %2, %5 : i1, tensor<2xindex>, tensor<4xi1>
}
