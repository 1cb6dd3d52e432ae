// RUN: dycl-opt %s --split-input-file --dycl-protect-arguments | FileCheck %s

#map = affine_map<(d0) -> (d0)>

// What is written over is a copy of the argument, made just before; what reads the argument goes on doing so. The one
// that is only read is not copied. The choice is by a condition that IREE cannot fold.
// CHECK-LABEL: func.func private @written
// CHECK-SAME: (%[[X:.+]]: tensor<3xf32>, %[[V:.+]]: tensor<1xf32>)
// CHECK: %[[TRUE:.+]] = arith.constant true
// CHECK: %[[OPAQUE:.+]] = "util.optimization_barrier"(%[[TRUE]]) : (i1) -> i1
// CHECK: %[[ZERO:.+]] = arith.constant 1.000030e+05 : f32
// CHECK: %[[EMPTY:.+]] = tensor.empty() : tensor<3xf32>
// CHECK: %[[COPY:.+]] = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
// CHECK-SAME: ins(%[[X]] : tensor<3xf32>) outs(%[[EMPTY]] : tensor<3xf32>)
// CHECK-NEXT: ^bb0(%[[IN:.+]]: f32, %{{.+}}: f32):
// CHECK-NEXT: %[[ELEMENT:.+]] = arith.select %[[OPAQUE]], %[[IN]], %[[ZERO]] : f32
// CHECK-NEXT: linalg.yield %[[ELEMENT]]
// CHECK: %[[INSERTED:.+]] = tensor.insert_slice %[[V]] into %[[COPY]]
// CHECK: return %[[INSERTED]], %[[X]]
func.func private @written(%x: tensor<3xf32>, %v: tensor<1xf32>) -> (tensor<3xf32>, tensor<3xf32>) {
  %0 = tensor.insert_slice %v into %x[0] [1] [1] : tensor<1xf32> into tensor<3xf32>
  return %0, %x : tensor<3xf32>, tensor<3xf32>
}

// -----

#map = affine_map<(d0) -> (d0)>

// Nothing is written into: reads, views, computation into another buffer, the argument itself as a result.
// CHECK-LABEL: func.func private @read
// CHECK-NOT: util.optimization_barrier
// CHECK: return
func.func private @read(%x: tensor<4xf32>, %i: index) -> (tensor<2x2xf32>, f32, tensor<4xf32>, tensor<4xf32>) {
  %0 = tensor.expand_shape %x [[0, 1]] output_shape [2, 2] : tensor<4xf32> into tensor<2x2xf32>
  %1 = tensor.extract %x[%i] : tensor<4xf32>
  %2 = tensor.empty() : tensor<4xf32>
  %3 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%x : tensor<4xf32>) outs(%2 : tensor<4xf32>) {
  ^bb0(%in: f32, %out: f32):
    %5 = arith.addf %in, %in : f32
    linalg.yield %5 : f32
  } -> tensor<4xf32>
  %4 = tensor.insert %1 into %3[%i] : tensor<4xf32>
  return %0, %1, %x, %4 : tensor<2x2xf32>, f32, tensor<4xf32>, tensor<4xf32>
}

// -----

// A scalar has no buffer, and a declaration no body.
// CHECK: func.func private @declared(tensor<3xf32>)
func.func private @declared(tensor<3xf32>)
// CHECK-LABEL: func.func private @scalar
// CHECK-NEXT: return
func.func private @scalar(%x: f32) -> f32 {
  return %x : f32
}

// -----

// Destinations of an unregistered operation; one barrier does for all copies. Two types, so that swapped
// copies would not verify.
// CHECK-LABEL: func.func private @unregistered
// CHECK-SAME: (%[[X:.+]]: tensor<3xf32>, %[[Y:.+]]: tensor<3xi64>)
// CHECK: %[[OPAQUE:.+]] = "util.optimization_barrier"
// CHECK: %[[X_COPY:.+]] = linalg.generic
// CHECK-SAME: ins(%[[X]] : tensor<3xf32>)
// CHECK: arith.select %[[OPAQUE]]
// CHECK-NOT: util.optimization_barrier
// CHECK: %[[Y_COPY:.+]] = linalg.generic
// CHECK-SAME: ins(%[[Y]] : tensor<3xi64>)
// CHECK: arith.select %[[OPAQUE]]
// CHECK: "tm_tensor.sort"(%[[X_COPY]], %[[Y_COPY]])
func.func private @unregistered(%x: tensor<3xf32>, %y: tensor<3xi64>) -> (tensor<3xf32>, tensor<3xi64>) {
  %0:2 = "tm_tensor.sort"(%x, %y) <{dimension = 0 : i64, operandSegmentSizes = array<i32: 0, 2>}> ({
  ^bb0(%a: f32, %b: f32, %c: i64, %d: i64):
    %1 = arith.cmpf oge, %a, %b : f32
    "tm_tensor.yield"(%1) : (i1) -> ()
  }) : (tensor<3xf32>, tensor<3xi64>) -> (tensor<3xf32>, tensor<3xi64>)
  return %0#0, %0#1 : tensor<3xf32>, tensor<3xi64>
}

// -----

// Every element type, rank zero, and dynamic sizes, which are the argument's. Each copy has another number, also where the
// type has few.
// CHECK-LABEL: func.func private @types
// CHECK-SAME: (%[[BOOL:[^:]+]]: tensor<i1>, %[[INDEX:[^:]+]]: tensor<2xindex>, %[[COMPLEX:[^:]+]]: tensor<?x4xcomplex<f32>>,
// CHECK: %[[NUMBER:.+]] = arith.constant 100003 : i32
// CHECK: linalg.generic
// CHECK-SAME: iterator_types = []} ins(%[[BOOL]] : tensor<i1>)
// CHECK-NEXT: ^bb0(%[[IN:.+]]: i1, %{{.+}}: i1):
// CHECK-NEXT: %[[WIDE:.+]] = arith.extui %[[IN]] : i1 to i32
// CHECK-NEXT: %[[CHOSEN:.+]] = arith.select %{{.+}}, %[[WIDE]], %[[NUMBER]] : i32
// CHECK-NEXT: arith.trunci %[[CHOSEN]] : i32 to i1
// CHECK: arith.constant 100004 : index
// CHECK: linalg.generic
// CHECK-SAME: ins(%[[INDEX]] : tensor<2xindex>)
// CHECK: %[[ZERO:.+]] = complex.constant [1.000050e+05 : f32, 0.000000e+00 : f32] : complex<f32>
// CHECK: %[[SIZE:.+]] = tensor.dim %[[COMPLEX]]
// CHECK: tensor.empty(%[[SIZE]]) : tensor<?x4xcomplex<f32>>
// CHECK: linalg.generic
// CHECK-SAME: iterator_types = ["parallel", "parallel"]} ins(%[[COMPLEX]] : tensor<?x4xcomplex<f32>>)
// CHECK: arith.select %{{.+}}, %{{.+}}, %[[ZERO]] : complex<f32>
func.func private @types(%x: tensor<i1>, %y: tensor<2xindex>, %z: tensor<?x4xcomplex<f32>>, %p: i1, %i: index,
                         %c: complex<f32>) -> (tensor<i1>, tensor<2xindex>, tensor<?x4xcomplex<f32>>) {
  %0 = tensor.insert %p into %x[] : tensor<i1>
  %1 = tensor.insert %i into %y[%i] : tensor<2xindex>
  %2 = tensor.insert %c into %z[%i, %i] : tensor<?x4xcomplex<f32>>
  return %0, %1, %2 : tensor<i1>, tensor<2xindex>, tensor<?x4xcomplex<f32>>
}

// -----

// What a scan only reads, its first operand, is no destination; an operation of which nothing is known may write into all.
// CHECK-LABEL: func.func private @scanned
// CHECK-SAME: (%[[X:.+]]: tensor<3xf32>, %[[Y:.+]]: tensor<3xi64>)
// CHECK: "tm_tensor.scan"(%[[X]], %{{.+}}, %{{.+}})
// CHECK: %[[Y_COPY:.+]] = linalg.generic
// CHECK-SAME: ins(%[[Y]] : tensor<3xi64>)
// CHECK: "test.unknown"(%[[Y_COPY]])
func.func private @scanned(%x: tensor<3xf32>, %y: tensor<3xi64>) -> (tensor<3xf32>, tensor<f32>, tensor<3xf32>) {
  %0 = tensor.empty() : tensor<3xf32>
  %1 = tensor.empty() : tensor<f32>
  %2:2 = "tm_tensor.scan"(%x, %0, %1) <{dimension = 0 : i64, inclusive = true, operandSegmentSizes = array<i32: 1, 2>}> ({
  ^bb0(%a: f32, %b: f32):
    %3 = arith.addf %a, %b : f32
    "tm_tensor.yield"(%3) : (f32) -> ()
  }) : (tensor<3xf32>, tensor<3xf32>, tensor<f32>) -> (tensor<3xf32>, tensor<f32>)
  "test.unknown"(%y) : (tensor<3xi64>) -> ()
  return %2#0, %2#1, %x : tensor<3xf32>, tensor<f32>, tensor<3xf32>
}
