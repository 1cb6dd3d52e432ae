// Two early exits from import to partitioned module: branch bodies in functions, assertions on elements, a flag that says
// whether the first branch returned, weights by name.
// RUN: dycl-opt %s --dycl-pipeline | FileCheck %s
// The phases one by one give the same.
// RUN: dycl-opt %s --dycl-optimize-pipeline | dycl-opt --dycl-outline-pipeline | dycl-opt --dycl-partition-pipeline | FileCheck %s
// So does generic form.
// RUN: dycl-opt %s --mlir-print-op-generic | dycl-opt --dycl-pipeline --mlir-print-op-generic | dycl-opt | FileCheck %s

#map = affine_map<(d0) -> (d0)>

// The exits take one call on the short path, two on the next, three on the longest; no flag is left.
// CHECK-LABEL: module @net
// CHECK: dycl.program @main(%[[X:.+]]: tensor<4xf32> {dycl.name = "x"}) -> (tensor<4xf32>, tensor<i64>) {
// CHECK: %[[A:.+]]:2 = dycl.invoke @region_0(%[[X]]) : (tensor<4xf32>) -> (tensor<4xf32>, i1)
// CHECK-NEXT: scf.if %[[A]]#1 -> (tensor<4xf32>, tensor<i64>) {
// CHECK-NEXT:   scf.yield %[[A]]#0, %{{.+}}
// CHECK-NEXT: } else {
// CHECK-NEXT:   %[[B:.+]]:2 = dycl.invoke @region_1(%[[A]]#0) : (tensor<4xf32>) -> (tensor<4xf32>, i1)
// CHECK-NEXT:   scf.if %[[B]]#1 -> (tensor<4xf32>, tensor<i64>) {
// CHECK-NEXT:     scf.yield %[[B]]#0, %{{.+}}
// CHECK-NEXT:   } else {
// CHECK-NEXT:     %[[C:.+]] = dycl.invoke @region_2(%[[B]]#0) : (tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT:     scf.yield %[[C]], %{{.+}}
// CHECK-NOT: dycl.invoke

// CHECK: dycl.region @region_0 : {{.*}} parameters = ["stage1.scale"]
// CHECK: module @region_0_module
// CHECK-NEXT: "util.global"() <{initial_value = #flow.parameter.named<"model"::"stage1.scale">
// CHECK: func.func @region_0
// CHECK: dycl.region @region_1 : {{.*}} parameters = ["stage2.scale"]
// CHECK: dycl.region @region_2 : {{.*}} {cost = #dycl.cost<flops = 4, bytes = 32>, module = @region_2_module}
// CHECK-NOT: cf.assert
module @net {
  func.func @main(%x: tensor<4xf32> {dycl.name = "x"}) -> (tensor<4xf32>, tensor<i64>) {
    %true = arith.constant true
    %false = arith.constant false
    %poison = ub.poison : tensor<4xf32>
    %one = arith.constant dense<1> : tensor<i64>
    %two = arith.constant dense<2> : tensor<i64>
    %three = arith.constant dense<3> : tensor<i64>
    %0 = func.call @stage1(%x) : (tensor<4xf32>) -> tensor<4xf32>
    %p = func.call @test(%0) : (tensor<4xf32>) -> i1
    %1:3 = scf.if %p -> (tensor<4xf32>, tensor<i64>, i1) {
      scf.yield %0, %one, %true : tensor<4xf32>, tensor<i64>, i1
    } else {
      scf.yield %poison, %one, %false : tensor<4xf32>, tensor<i64>, i1
    }
    %2:2 = scf.if %1#2 -> (tensor<4xf32>, tensor<i64>) {
      scf.yield %1#0, %1#1 : tensor<4xf32>, tensor<i64>
    } else {
      %3 = func.call @stage2(%0) : (tensor<4xf32>) -> tensor<4xf32>
      %q = func.call @test(%3) : (tensor<4xf32>) -> i1
      %4:2 = scf.if %q -> (tensor<4xf32>, tensor<i64>) {
        scf.yield %3, %two : tensor<4xf32>, tensor<i64>
      } else {
        %5 = math.exp %3 : tensor<4xf32>
        scf.yield %5, %three : tensor<4xf32>, tensor<i64>
      }
      scf.yield %4#0, %4#1 : tensor<4xf32>, tensor<i64>
    }
    return %2#0, %2#1 : tensor<4xf32>, tensor<i64>
  }
  func.func private @stage1(%x: tensor<4xf32>) -> tensor<4xf32> {
    %w = "dycl.parameter"() <{key = "stage1.scale"}> : () -> tensor<4xf32>
    %zero = arith.constant 0.0 : f32
    %0 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel"]}
        ins(%x, %w : tensor<4xf32>, tensor<4xf32>) outs(%x : tensor<4xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %1 = arith.cmpf one, %b, %zero : f32
      cf.assert %1, "unimplemented: tensor with zero element"
      %2 = arith.divf %a, %b : f32
      linalg.yield %2 : f32
    } -> tensor<4xf32>
    return %0 : tensor<4xf32>
  }
  func.func private @stage2(%x: tensor<4xf32>) -> tensor<4xf32> {
    %w = "dycl.parameter"() <{key = "stage2.scale"}> : () -> tensor<4xf32>
    %0 = arith.mulf %x, %w : tensor<4xf32>
    return %0 : tensor<4xf32>
  }
  func.func private @test(%x: tensor<4xf32>) -> i1 {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %0 = tensor.extract %x[%c0] : tensor<4xf32>
    %p = arith.cmpf ogt, %0, %zero : f32
    return %p : i1
  }
}
