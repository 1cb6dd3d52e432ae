// RUN: dycl-opt %s --pass-pipeline='builtin.module(func.func(dycl-fold-extracted-scalars))' | FileCheck %s

#id = affine_map<() -> ()>
#vector = affine_map<(i) -> (i)>

// A size that is compared with a number, through a sum: of scalars, all of it. The tensors are gone.
// CHECK-LABEL: func.func @size
// CHECK-SAME: (%[[SIZE:.+]]: index)
func.func @size(%size: index) -> i1 {
  // CHECK: %[[N:.+]] = arith.index_cast %[[SIZE]] : index to i64
  // CHECK: %[[FIVE:.+]] = arith.constant 5 : i64
  // CHECK: %[[SUM:.+]] = arith.addi %[[N]], %[[FIVE]] : i64
  // CHECK: %[[THREE:.+]] = arith.constant 3 : i64
  // CHECK: %[[R:.+]] = arith.cmpi slt, %[[SUM]], %[[THREE]] : i64
  // CHECK-NOT: tensor
  // CHECK: return %[[R]]
  %three = arith.constant dense<3> : tensor<i64>
  %five = arith.constant dense<5> : tensor<1xi64>
  %c0 = arith.constant 0 : index
  %n = arith.index_cast %size : index to i64
  %e = tensor.empty() : tensor<1xi64>
  %made = linalg.fill ins(%n : i64) outs(%e : tensor<1xi64>) -> tensor<1xi64>
  %sum = linalg.generic {indexing_maps = [#vector, #vector, #vector], iterator_types = ["parallel"]}
      ins(%made, %five : tensor<1xi64>, tensor<1xi64>) outs(%e : tensor<1xi64>) {
  ^bb0(%l: i64, %r: i64, %out: i64):
    %s = arith.addi %l, %r : i64
    linalg.yield %s : i64
  } -> tensor<1xi64>
  %flat = tensor.collapse_shape %sum [] : tensor<1xi64> into tensor<i64>
  %f = tensor.empty() : tensor<i1>
  %less = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = []}
      ins(%flat, %three : tensor<i64>, tensor<i64>) outs(%f : tensor<i1>) {
  ^bb0(%l: i64, %r: i64, %out: i1):
    %s = arith.cmpi slt, %l, %r : i64
    linalg.yield %s : i1
  } -> tensor<i1>
  %0 = tensor.extract %less[] : tensor<i1>
  return %0 : i1
}

// In a branch too. What else reads a tensor keeps it.
// CHECK-LABEL: func.func @shared
// CHECK-SAME: (%[[N:.+]]: i64, %[[C:.+]]: i1)
func.func @shared(%n: i64, %c: i1) -> (i64, tensor<i64>) {
  // CHECK: %[[T:.+]] = linalg.generic
  // CHECK: scf.if %[[C]]
  // CHECK-NEXT: %[[P:.+]] = arith.muli %[[N]], %[[N]] : i64
  // CHECK-NEXT: scf.yield %[[P]]
  // CHECK: return %{{.+}}, %[[T]]
  %made = tensor.from_elements %n : tensor<i64>
  %e = tensor.empty() : tensor<i64>
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = []} ins(%made : tensor<i64>) outs(%e : tensor<i64>) {
  ^bb0(%l: i64, %out: i64):
    %s = arith.muli %l, %l : i64
    linalg.yield %s : i64
  } -> tensor<i64>
  %1 = scf.if %c -> i64 {
    %2 = tensor.extract %0[] : tensor<i64>
    scf.yield %2 : i64
  } else {
    scf.yield %n : i64
  }
  return %1, %0 : i64, tensor<i64>
}

// Left on the device: what depends on a tensor that is given, a division, floats, a tensor of two.
// CHECK-LABEL: func.func @others
// CHECK-COUNT-4: tensor.extract
func.func @others(%n: i64, %x: f32, %given: tensor<i64>) -> (i64, i64, f32, i64) {
  %c0 = arith.constant 0 : index
  %made = tensor.from_elements %n : tensor<i64>
  %floats = tensor.from_elements %x : tensor<f32>
  %e = tensor.empty() : tensor<i64>
  %ef = tensor.empty() : tensor<f32>
  %e2 = tensor.empty() : tensor<2xi64>
  %0 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = []} ins(%made, %given : tensor<i64>, tensor<i64>) outs(%e : tensor<i64>) {
  ^bb0(%l: i64, %r: i64, %out: i64):
    %s = arith.addi %l, %r : i64
    linalg.yield %s : i64
  } -> tensor<i64>
  %1 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = []} ins(%made, %made : tensor<i64>, tensor<i64>) outs(%e : tensor<i64>) {
  ^bb0(%l: i64, %r: i64, %out: i64):
    %s = arith.divsi %l, %r : i64
    linalg.yield %s : i64
  } -> tensor<i64>
  %2 = linalg.generic {indexing_maps = [#id, #id], iterator_types = []} ins(%floats : tensor<f32>) outs(%ef : tensor<f32>) {
  ^bb0(%l: f32, %out: f32):
    %s = arith.addf %l, %l : f32
    linalg.yield %s : f32
  } -> tensor<f32>
  %3 = linalg.fill ins(%n : i64) outs(%e2 : tensor<2xi64>) -> tensor<2xi64>
  %4 = tensor.extract %0[] : tensor<i64>
  %5 = tensor.extract %1[] : tensor<i64>
  %6 = tensor.extract %2[] : tensor<f32>
  %7 = tensor.extract %3[%c0] : tensor<2xi64>
  return %4, %5, %6, %7 : i64, i64, f32, i64
}
