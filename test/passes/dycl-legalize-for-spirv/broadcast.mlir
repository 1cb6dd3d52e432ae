// RUN: dycl-opt %s --allow-unregistered-dialect --dycl-legalize-for-spirv --mlir-pass-statistics 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=COUNT --input-file=%t
// RUN: dycl-opt %s --allow-unregistered-dialect --dycl-legalize-for-spirv | dycl-opt --allow-unregistered-dialect

// COUNT-DAG: 3 num-broadcast
// COUNT-DAG: 1 num-reductions

#first = affine_map<(d0, d1) -> (d0)>
#last = affine_map<(d0, d1) -> (d1)>
#kept = affine_map<(d0, d1) -> (0, d1)>
#both = affine_map<(d0, d1) -> (d0, d1)>
#matrix = affine_map<(d0, d1, d2) -> (d1, d2)>
#batch = affine_map<(d0, d1, d2) -> (d0, d1, d2)>

// A product that is added to each matrix of a batch, after a reshape and an operation that computes element by element,
// is computed by itself.
// CHECK-LABEL: func.func @product
// CHECK: %[[ALONE:.+]] = "flow.dispatch.region"()
// CHECK-NEXT: %[[PRODUCT:.+]] = linalg.matmul
// CHECK-NEXT: "flow.return"(%[[PRODUCT]]) : (tensor<5x37xf32>) -> ()
// CHECK: }) : () -> tensor<5x37xf32>
// CHECK: linalg.generic {{.*}} ins(%[[ALONE]] : tensor<5x37xf32>)
// CHECK-NOT: flow.dispatch.region
// CHECK: return
func.func @product(%a: tensor<5x64xf32>, %b: tensor<64x37xf32>, %y: tensor<3x5x37xf32>) -> tensor<3x5x37xf32> {
  %zero = arith.constant 0.0 : f32
  %to = tensor.empty() : tensor<5x37xf32>
  %init = linalg.fill ins(%zero : f32) outs(%to : tensor<5x37xf32>) -> tensor<5x37xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<5x64xf32>, tensor<64x37xf32>) outs(%init : tensor<5x37xf32>) -> tensor<5x37xf32>
  %1 = linalg.generic {indexing_maps = [#both, #both], iterator_types = ["parallel", "parallel"]}
      ins(%0 : tensor<5x37xf32>) outs(%to : tensor<5x37xf32>) {
  ^bb0(%in: f32, %out: f32):
    %3 = math.tanh %in : f32
    linalg.yield %3 : f32
  } -> tensor<5x37xf32>
  %flat = tensor.collapse_shape %1 [[0, 1]] : tensor<5x37xf32> into tensor<185xf32>
  %again = tensor.expand_shape %flat [[0, 1]] output_shape [5, 37] : tensor<185xf32> into tensor<5x37xf32>
  %empty = tensor.empty() : tensor<3x5x37xf32>
  %2 = linalg.generic {indexing_maps = [#matrix, #batch, #batch], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%again, %y : tensor<5x37xf32>, tensor<3x5x37xf32>) outs(%empty : tensor<3x5x37xf32>) {
  ^bb0(%in: f32, %add: f32, %out: f32):
    %3 = arith.addf %in, %add : f32
    linalg.yield %3 : f32
  } -> tensor<3x5x37xf32>
  return %2 : tensor<3x5x37xf32>
}

// What is fused with it is as large: a bias, a transposition, a batch of one. So is what a reduction after it reads.
// CHECK-LABEL: func.func @fused
// CHECK-NOT: flow.dispatch.region
// CHECK: return
func.func @fused(%a: tensor<5x64xf32>, %b: tensor<64x37xf32>, %bias: tensor<37xf32>, %y: tensor<1x5x37xf32>)
    -> (tensor<37x5xf32>, tensor<1x5x37xf32>, tensor<37xf32>) {
  %zero = arith.constant 0.0 : f32
  %to = tensor.empty() : tensor<5x37xf32>
  %init = linalg.fill ins(%zero : f32) outs(%to : tensor<5x37xf32>) -> tensor<5x37xf32>
  %0 = linalg.matmul ins(%a, %b : tensor<5x64xf32>, tensor<64x37xf32>) outs(%init : tensor<5x37xf32>) -> tensor<5x37xf32>
  %1 = linalg.generic {indexing_maps = [#both, #last, #both], iterator_types = ["parallel", "parallel"]}
      ins(%0, %bias : tensor<5x37xf32>, tensor<37xf32>) outs(%to : tensor<5x37xf32>) {
  ^bb0(%in: f32, %add: f32, %out: f32):
    %5 = arith.addf %in, %add : f32
    linalg.yield %5 : f32
  } -> tensor<5x37xf32>
  %rows = tensor.empty() : tensor<37x5xf32>
  %2 = linalg.transpose ins(%1 : tensor<5x37xf32>) outs(%rows : tensor<37x5xf32>) permutation = [1, 0]
  %empty = tensor.empty() : tensor<1x5x37xf32>
  %3 = linalg.generic {indexing_maps = [#matrix, #batch, #batch], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%1, %y : tensor<5x37xf32>, tensor<1x5x37xf32>) outs(%empty : tensor<1x5x37xf32>) {
  ^bb0(%in: f32, %add: f32, %out: f32):
    %5 = arith.addf %in, %add : f32
    linalg.yield %5 : f32
  } -> tensor<1x5x37xf32>
  %column = tensor.empty() : tensor<37xf32>
  %sum = linalg.fill ins(%zero : f32) outs(%column : tensor<37xf32>) -> tensor<37xf32>
  %4 = linalg.generic {indexing_maps = [#both, #last], iterator_types = ["reduction", "parallel"]}
      ins(%1 : tensor<5x37xf32>) outs(%sum : tensor<37xf32>) {
  ^bb0(%in: f32, %out: f32):
    %5 = arith.addf %in, %out : f32
    linalg.yield %5 : f32
  } -> tensor<37xf32>
  return %2, %3, %4 : tensor<37x5xf32>, tensor<1x5x37xf32>, tensor<37xf32>
}

// A short reduction that each row reads is computed by itself, too; one that keeps a dimension has its loop in the body.
// A slice may be read so as well.
// CHECK-LABEL: func.func @reduction
// CHECK: %[[SUM:.+]] = "flow.dispatch.region"()
// CHECK-NEXT: linalg.generic {{.*}} iterator_types = ["reduction", "parallel"]
// CHECK: linalg.generic {{.*}} ins(%{{.+}}, %[[SUM]] :
// CHECK: "flow.dispatch.region"()
// CHECK-NEXT: linalg.generic {indexing_maps = [#{{.+}}], iterator_types = ["parallel"]} outs(
// CHECK: scf.for
// CHECK: "flow.dispatch.region"()
// CHECK-NEXT: linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]
// CHECK: tensor.extract_slice
func.func @reduction(%x: tensor<5x37xf32>) -> (tensor<5x37xf32>, tensor<5x37xf32>, tensor<3x2xf32>) {
  %zero = arith.constant 0.0 : f32
  %to = tensor.empty() : tensor<5x37xf32>
  %column = tensor.empty() : tensor<37xf32>
  %init = linalg.fill ins(%zero : f32) outs(%column : tensor<37xf32>) -> tensor<37xf32>
  %0 = linalg.generic {indexing_maps = [#both, #last], iterator_types = ["reduction", "parallel"]}
      ins(%x : tensor<5x37xf32>) outs(%init : tensor<37xf32>) {
  ^bb0(%in: f32, %out: f32):
    %6 = arith.addf %in, %out : f32
    linalg.yield %6 : f32
  } -> tensor<37xf32>
  %1 = linalg.generic {indexing_maps = [#both, #last, #both], iterator_types = ["parallel", "parallel"]}
      ins(%x, %0 : tensor<5x37xf32>, tensor<37xf32>) outs(%to : tensor<5x37xf32>) {
  ^bb0(%in: f32, %by: f32, %out: f32):
    %6 = arith.divf %in, %by : f32
    linalg.yield %6 : f32
  } -> tensor<5x37xf32>
  %row = tensor.empty() : tensor<1x37xf32>
  %keep = linalg.fill ins(%zero : f32) outs(%row : tensor<1x37xf32>) -> tensor<1x37xf32>
  %2 = linalg.generic {indexing_maps = [#both, #kept], iterator_types = ["reduction", "parallel"]}
      ins(%x : tensor<5x37xf32>) outs(%keep : tensor<1x37xf32>) {
  ^bb0(%in: f32, %out: f32):
    %6 = arith.mulf %in, %out : f32
    linalg.yield %6 : f32
  } -> tensor<1x37xf32>
  %3 = linalg.generic {indexing_maps = [#both, #kept, #both], iterator_types = ["parallel", "parallel"]}
      ins(%x, %2 : tensor<5x37xf32>, tensor<1x37xf32>) outs(%to : tensor<5x37xf32>) {
  ^bb0(%in: f32, %by: f32, %out: f32):
    %6 = arith.subf %in, %by : f32
    linalg.yield %6 : f32
  } -> tensor<5x37xf32>
  %five = tensor.empty() : tensor<5xf32>
  %none = linalg.fill ins(%zero : f32) outs(%five : tensor<5xf32>) -> tensor<5xf32>
  %4 = linalg.generic {indexing_maps = [#both, #first], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<5x37xf32>) outs(%none : tensor<5xf32>) {
  ^bb0(%in: f32, %out: f32):
    %6 = arith.maximumf %in, %out : f32
    linalg.yield %6 : f32
  } -> tensor<5xf32>
  %two = tensor.extract_slice %4[1] [2] [1] : tensor<5xf32> to tensor<2xf32>
  %six = tensor.empty() : tensor<3x2xf32>
  %5 = linalg.broadcast ins(%two : tensor<2xf32>) outs(%six : tensor<3x2xf32>) dimensions = [0]
  return %1, %3, %5 : tensor<5x37xf32>, tensor<5x37xf32>, tensor<3x2xf32>
}
