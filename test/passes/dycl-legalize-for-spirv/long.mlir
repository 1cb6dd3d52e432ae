// RUN: dycl-opt %s --allow-unregistered-dialect --dycl-legalize-for-spirv --mlir-pass-statistics 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=COUNT --input-file=%t
// RUN: dycl-opt %s --allow-unregistered-dialect --dycl-legalize-for-spirv | dycl-opt --allow-unregistered-dialect

// COUNT-DAG: 0 num-divisions
// COUNT-DAG: 5 num-long-ops
// COUNT-DAG: 0 num-reductions

#row = affine_map<(d0, d1) -> (d1)>
#column = affine_map<(d0, d1) -> (d0)>
#both = affine_map<(d0, d1) -> (d0, d1)>
#transposed = affine_map<(d0, d1) -> (d1, d0)>
#map = affine_map<(d0) -> (d0)>

// Tokens that are no padding: IREE does not know the index that they are read at, and does not vectorize. What uses the
// mask is no part of it.
// CHECK-LABEL: func.func @mask
// CHECK-SAME: (%[[TOKENS:.+]]: tensor<128xi64>, %[[X:.+]]: tensor<128xf32>
// CHECK: %[[ZERO:.+]] = "util.optimization_barrier"(%{{.+}}) : (index) -> index
// CHECK: %[[ALONE:.+]] = "flow.dispatch.region"()
// CHECK-NEXT: %[[MASK:.+]] = linalg.generic {indexing_maps = [#{{.+}}], iterator_types = ["parallel"]} outs(
// CHECK: %[[I:.+]] = linalg.index 0
// CHECK: %[[AT:.+]] = arith.addi %[[I]], %[[ZERO]]
// CHECK: %[[TOKEN:.+]] = tensor.extract %[[TOKENS]][%[[AT]]]
// CHECK: arith.cmpi ne, %[[TOKEN]]
// CHECK: "flow.return"(%[[MASK]]) : (tensor<128xi1>) -> ()
// CHECK: linalg.generic {{.*}} ins(%[[X]], %[[ALONE]] :
func.func @mask(%tokens: tensor<128xi64>, %x: tensor<128xf32>) -> tensor<128xf32> {
  %padding = arith.constant 0 : i64
  %none = arith.constant 0xFF800000 : f32
  %to = tensor.empty() : tensor<128xi1>
  %0 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%tokens : tensor<128xi64>) outs(%to : tensor<128xi1>) {
  ^bb0(%in: i64, %out: i1):
    %2 = arith.cmpi ne, %in, %padding : i64
    linalg.yield %2 : i1
  } -> tensor<128xi1>
  %floats = tensor.empty() : tensor<128xf32>
  %1 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel"]}
      ins(%x, %0 : tensor<128xf32>, tensor<128xi1>) outs(%floats : tensor<128xf32>) {
  ^bb0(%in: f32, %keep: i1, %out: f32):
    %2 = arith.select %keep, %in, %none : f32
    linalg.yield %2 : f32
  } -> tensor<128xf32>
  return %1 : tensor<128xf32>
}

// Each input by its own map, the result too; an i64 result needs no dispatch of its own. Of i64 in the body alone it is
// the same.
// CHECK-LABEL: func.func @maps
// CHECK-SAME: (%[[A:.+]]: tensor<4xi64>, %[[B:.+]]: tensor<8xi64>, %[[C:.+]]: tensor<8x4xf32>)
// CHECK-NOT: flow.dispatch.region
// CHECK: linalg.generic {indexing_maps = [#{{.+}}], iterator_types = ["parallel", "parallel"]} outs(
// CHECK-DAG: %[[P:.+]] = linalg.index 0
// CHECK-DAG: %[[Q:.+]] = linalg.index 1
// CHECK-DAG: %[[I:.+]] = arith.addi %[[P]],
// CHECK-DAG: %[[J:.+]] = arith.addi %[[Q]],
// CHECK-DAG: tensor.extract %[[A]][%[[I]]]
// CHECK-DAG: tensor.extract %[[B]][%[[J]]]
// CHECK: arith.subi
// CHECK: "flow.dispatch.region"()
// CHECK: tensor.extract %[[C]][%{{.+}}, %{{.+}}]
// CHECK: arith.fptosi
// CHECK: }) : () -> tensor<4x8xf32>
func.func @maps(%a: tensor<4xi64>, %b: tensor<8xi64>, %c: tensor<8x4xf32>) -> (tensor<8x4xi64>, tensor<4x8xf32>) {
  %longs = tensor.empty() : tensor<8x4xi64>
  %0 = linalg.generic {indexing_maps = [#column, #row, #transposed], iterator_types = ["parallel", "parallel"]}
      ins(%a, %b : tensor<4xi64>, tensor<8xi64>) outs(%longs : tensor<8x4xi64>) {
  ^bb0(%left: i64, %right: i64, %out: i64):
    %2 = arith.subi %left, %right : i64
    linalg.yield %2 : i64
  } -> tensor<8x4xi64>
  %floats = tensor.empty() : tensor<4x8xf32>
  %1 = linalg.generic {indexing_maps = [#transposed, #both], iterator_types = ["parallel", "parallel"]}
      ins(%c : tensor<8x4xf32>) outs(%floats : tensor<4x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %2 = arith.fptosi %in : f32 to i64
    %3 = arith.sitofp %2 : i64 to f32
    linalg.yield %3 : f32
  } -> tensor<4x8xf32>
  return %0, %1 : tensor<8x4xi64>, tensor<4x8xf32>
}

// A dynamic size, which a dispatch is told.
// CHECK-LABEL: func.func @dynamic
// CHECK-SAME: %[[TO:[a-z0-9]+]]: tensor<?xf32>)
// CHECK: tensor.dim %[[TO]],
// CHECK: %[[SIZE:.+]] = tensor.dim %[[TO]],
// CHECK: "flow.dispatch.region"(%[[SIZE]])
// CHECK: }) : (index) -> tensor<?xf32>
func.func @dynamic(%x: tensor<?xi64>, %to: tensor<?xf32>) -> tensor<?xf32> {
  %0 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%x : tensor<?xi64>) outs(%to : tensor<?xf32>) {
  ^bb0(%in: i64, %out: f32):
    %1 = arith.sitofp %in : i64 to f32
    linalg.yield %1 : f32
  } -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func.func @absolute
// CHECK-NOT: math.absi
// CHECK: %[[IN:.+]] = tensor.extract
// CHECK: %[[NEGATIVE:.+]] = arith.subi %{{.+}}, %[[IN]] : i64
// CHECK: %[[LESS:.+]] = arith.cmpi slt, %[[IN]]
// CHECK: arith.select %[[LESS]], %[[NEGATIVE]], %[[IN]]
func.func @absolute(%x: tensor<8xi64>, %to: tensor<8xi64>) -> tensor<8xi64> {
  %0 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%x : tensor<8xi64>) outs(%to : tensor<8xi64>) {
  ^bb0(%in: i64, %out: i64):
    %1 = math.absi %in : i64
    linalg.yield %1 : i64
  } -> tensor<8xi64>
  return %0 : tensor<8xi64>
}

// No i64, and a tensor that is filled: as they are.
// CHECK-LABEL: func.func @stay
// CHECK-NEXT: linalg.fill
// CHECK-NEXT: linalg.generic {{.*}} ins(
// CHECK-NOT: tensor.extract
// CHECK: return
func.func @stay(%one: i64, %longs: tensor<8xi64>, %x: tensor<8xi32>, %to: tensor<8xf32>)
    -> (tensor<8xi64>, tensor<8xf32>) {
  %0 = linalg.fill ins(%one : i64) outs(%longs : tensor<8xi64>) -> tensor<8xi64>
  %1 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]}
      ins(%x : tensor<8xi32>) outs(%to : tensor<8xf32>) {
  ^bb0(%in: i32, %out: f32):
    %2 = arith.sitofp %in : i32 to f32
    linalg.yield %2 : f32
  } -> tensor<8xf32>
  return %0, %1 : tensor<8xi64>, tensor<8xf32>
}
