// Numbers at the border are tensors of rank 0, an index one of i64; tensors stay.
// RUN: dycl-opt %s --dycl-tensorize-entry | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[N:.+]]: tensor<i64>, %[[X:.+]]: tensor<4xf32>, %[[S:.+]]: tensor<f32>)
// CHECK-SAME: -> (tensor<f32>, tensor<4xf32>, tensor<i64>)
// CHECK-DAG: %[[WIDE:.+]] = tensor.extract %[[N]][] : tensor<i64>
// CHECK-DAG: %[[INDEX:.+]] = arith.index_cast %[[WIDE]] : i64 to index
// CHECK-DAG: %[[NUMBER:.+]] = tensor.extract %[[S]][] : tensor<f32>
// CHECK: %[[ITEM:.+]] = tensor.extract %[[X]][%[[INDEX]]]
// CHECK: %[[SUM:.+]] = arith.addf %[[ITEM]], %[[NUMBER]] : f32
// CHECK-DAG: %[[RESULT:.+]] = tensor.from_elements %[[SUM]] : tensor<f32>
// CHECK-DAG: %[[BACK:.+]] = arith.index_cast %[[INDEX]] : index to i64
// CHECK-DAG: %[[LAST:.+]] = tensor.from_elements %[[BACK]] : tensor<i64>
// CHECK: return %[[RESULT]], %[[X]], %[[LAST]]
func.func @main(%n: index, %x: tensor<4xf32>, %s: f32) -> (f32, tensor<4xf32>, index) {
  %0 = tensor.extract %x[%n] : tensor<4xf32>
  %1 = arith.addf %0, %s : f32
  return %1, %x, %n : f32, tensor<4xf32>, index
}
