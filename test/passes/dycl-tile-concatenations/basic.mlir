// RUN: dycl-opt %s --split-input-file --dycl-tile-concatenations='vector-bits=512 registers=32' | FileCheck %s

// Three parts side by side, of which the second is read within its border. Two workgroups of 4 rows for each image, and
// two pixels at a time. The border that is added is left to IREE.
// CHECK-LABEL: func.func @concat
// CHECK-SAME:    %[[X:[a-z0-9]+]]: tensor<2x8x4x10xf32>, %[[Y:[a-z0-9]+]]: tensor<2x10x6x6xf32>, %[[Z:[a-z0-9]+]]: tensor<2x8x4x1xf32>
func.func @concat(%x: tensor<2x8x4x10xf32>, %y: tensor<2x10x6x6xf32>, %z: tensor<2x8x4x1xf32>) -> tensor<2x9x6x17xf32> {
  %zero = arith.constant 0.0 : f32
  %inner = tensor.extract_slice %y[0, 1, 1, 0] [2, 8, 4, 6] [1, 1, 1, 1] : tensor<2x10x6x6xf32> to tensor<2x8x4x6xf32>
  // CHECK: %[[R:.+]] = "flow.dispatch.workgroups"(%c2, %c2{{[_0-9]*}}, %[[X]], %[[Y]], %[[Z]])
  // CHECK-NEXT: ^bb0(%[[XA:.+]]: !{{.+}}, %[[YA:.+]]: !{{.+}}, %[[ZA:.+]]: !{{.+}}, %[[OUT:.+]]: !iree_tensor_ext.dispatch.tensor<writeonly:tensor<2x8x4x17xf32>>):
  // CHECK: scf.for
  // CHECK:   scf.for
  // CHECK:     %[[XP:.+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[XA]],
  // CHECK:     %[[YP:.+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[YA]],
  // CHECK:     %[[ZP:.+]] = "iree_tensor_ext.dispatch.tensor.load"(%[[ZA]],
  // CHECK:     "iree_tensor_ext.dispatch.tensor.store"(%[[XP]], %[[OUT]],
  // CHECK-SAME: -9223372036854775808, 0>, static_sizes = array<i64: 1, 1, 2, 10>
  // CHECK:     "iree_tensor_ext.dispatch.tensor.store"(%[[YP]], %[[OUT]],
  // CHECK-SAME: -9223372036854775808, 10>, static_sizes = array<i64: 1, 1, 2, 6>
  // CHECK:     "iree_tensor_ext.dispatch.tensor.store"(%[[ZP]], %[[OUT]],
  // CHECK-SAME: -9223372036854775808, 16>, static_sizes = array<i64: 1, 1, 2, 1>
  // CHECK: tensor.pad %[[R]]
  %0 = tensor.concat dim(3) %x, %inner, %z : (tensor<2x8x4x10xf32>, tensor<2x8x4x6xf32>, tensor<2x8x4x1xf32>) -> tensor<2x8x4x17xf32>
  %p = tensor.pad %0 low[0, 0, 1, 0] high[0, 1, 1, 0] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %zero : f32
  } : tensor<2x8x4x17xf32> to tensor<2x9x6x17xf32>
  return %p : tensor<2x9x6x17xf32>
}

// -----

// Seven rows are one workgroup; parts without channels are not read.
// CHECK-LABEL: func.func @few_rows
// CHECK-SAME:    %[[X:[a-z0-9]+]]: tensor<1x7x4x100xf32>, %[[NONE:[a-z0-9]+]]: tensor<1x7x4x0xf32>
func.func @few_rows(%x: tensor<1x7x4x100xf32>, %none: tensor<1x7x4x0xf32>) -> tensor<1x7x4x200xf32> {
  // CHECK: %[[R:.+]] = "flow.dispatch.workgroups"(%c1, %c1{{[_0-9]*}}, %[[X]])
  // CHECK: return %[[R]]
  %0 = tensor.concat dim(3) %x, %none, %x : (tensor<1x7x4x100xf32>, tensor<1x7x4x0xf32>, tensor<1x7x4x100xf32>) -> tensor<1x7x4x200xf32>
  return %0 : tensor<1x7x4x200xf32>
}

// -----

// Left as they are: rows joined, one pixel, f64, dynamic sizes, more channels than a vector may have, three dimensions.
// CHECK-LABEL: func.func @others
// CHECK-NOT: flow.dispatch.workgroups
// CHECK-COUNT-6: tensor.concat
func.func @others(%x: tensor<1x4x6x6xf32>, %one: tensor<1x1x1x6xf32>, %d: tensor<1x4x6x6xf64>, %n: tensor<?x4x6x6xf32>, %c: tensor<1x2x2x3000xf32>, %r: tensor<4x6x6xf32>)
    -> (tensor<1x8x6x6xf32>, tensor<1x1x1x12xf32>, tensor<1x4x6x12xf64>, tensor<?x4x6x12xf32>, tensor<1x2x2x6000xf32>, tensor<4x6x12xf32>) {
  %0 = tensor.concat dim(1) %x, %x : (tensor<1x4x6x6xf32>, tensor<1x4x6x6xf32>) -> tensor<1x8x6x6xf32>
  %1 = tensor.concat dim(3) %one, %one : (tensor<1x1x1x6xf32>, tensor<1x1x1x6xf32>) -> tensor<1x1x1x12xf32>
  %2 = tensor.concat dim(3) %d, %d : (tensor<1x4x6x6xf64>, tensor<1x4x6x6xf64>) -> tensor<1x4x6x12xf64>
  %3 = tensor.concat dim(3) %n, %n : (tensor<?x4x6x6xf32>, tensor<?x4x6x6xf32>) -> tensor<?x4x6x12xf32>
  %4 = tensor.concat dim(3) %c, %c : (tensor<1x2x2x3000xf32>, tensor<1x2x2x3000xf32>) -> tensor<1x2x2x6000xf32>
  %5 = tensor.concat dim(2) %r, %r : (tensor<4x6x6xf32>, tensor<4x6x6xf32>) -> tensor<4x6x12xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<1x8x6x6xf32>, tensor<1x1x1x12xf32>, tensor<1x4x6x12xf64>, tensor<?x4x6x12xf32>, tensor<1x2x2x6000xf32>, tensor<4x6x12xf32>
}

// -----

// Left as they are, too: a part that comes as nchw, and a result that is read as nchw.
// CHECK-LABEL: func.func @nchw
// CHECK-NOT: flow.dispatch.workgroups
// CHECK-COUNT-2: tensor.concat
func.func @nchw(%x: tensor<1x4x6x6xf32>, %y: tensor<1x6x4x6xf32>) -> (tensor<1x4x6x12xf32>, tensor<1x12x4x6xf32>) {
  %e = tensor.empty() : tensor<1x4x6x6xf32>
  %t = linalg.transpose ins(%y : tensor<1x6x4x6xf32>) outs(%e : tensor<1x4x6x6xf32>) permutation = [0, 2, 3, 1]
  %0 = tensor.concat dim(3) %x, %t : (tensor<1x4x6x6xf32>, tensor<1x4x6x6xf32>) -> tensor<1x4x6x12xf32>
  %1 = tensor.concat dim(3) %x, %x : (tensor<1x4x6x6xf32>, tensor<1x4x6x6xf32>) -> tensor<1x4x6x12xf32>
  %f = tensor.empty() : tensor<1x12x4x6xf32>
  %2 = linalg.transpose ins(%1 : tensor<1x4x6x12xf32>) outs(%f : tensor<1x12x4x6xf32>) permutation = [0, 3, 1, 2]
  return %0, %2 : tensor<1x4x6x12xf32>, tensor<1x12x4x6xf32>
}
