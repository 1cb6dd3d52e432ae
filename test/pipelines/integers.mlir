// A count that decides: the host counts by itself, and the exit that it cannot reach is gone with its test.
// RUN: dycl-opt %s --dycl-optimize-pipeline --dycl-outline-pipeline | FileCheck %s

#s = affine_map<() -> ()>

// CHECK-LABEL: dycl.program @main
// CHECK: %[[A:.+]]:{{[0-9]+}} = dycl.invoke @region_0
// CHECK: %[[N:.+]] = scf.if %[[A]]#{{[0-9]}} -> (i64)
// CHECK: %[[M:.+]] = scf.if %[[A]]#{{[0-9]}} -> (i64)
// CHECK: arith.addi %[[N]]
// CHECK: %[[Q:.+]] = arith.cmpi eq, %[[M]]
// CHECK: scf.if %[[Q]] -> (tensor<4xf32>)
// CHECK: dycl.invoke @region_1
// CHECK: dycl.return
// CHECK-NOT: func.func private @region_2
func.func @main(%x: tensor<4xf32> {dycl.name = "x"}) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %limit = arith.constant 0.0 : f32
  %zero = arith.constant dense<0> : tensor<i64>
  %one = arith.constant dense<1> : tensor<i64>
  %two = arith.constant dense<2> : tensor<i64>
  %number = tensor.empty() : tensor<i64>
  %flag = tensor.empty() : tensor<i1>
  %y = math.exp %x : tensor<4xf32>
  %e0 = tensor.extract %y[%c0] : tensor<4xf32>
  %p0 = arith.cmpf ogt, %e0, %limit : f32
  %n = scf.if %p0 -> (tensor<i64>) {
    scf.yield %one : tensor<i64>
  } else {
    scf.yield %zero : tensor<i64>
  }
  %q0 = linalg.generic {indexing_maps = [#s, #s, #s], iterator_types = []}
      ins(%n, %two : tensor<i64>, tensor<i64>) outs(%flag : tensor<i1>) {
  ^bb0(%l: i64, %r: i64, %out: i1):
    %v = arith.cmpi eq, %l, %r : i64
    linalg.yield %v : i1
  } -> tensor<i1>
  %enough0 = tensor.extract %q0[] : tensor<i1>
  %result = scf.if %enough0 -> (tensor<4xf32>) {
    scf.yield %y : tensor<4xf32>
  } else {
    %z = math.sin %y : tensor<4xf32>
    %e1 = tensor.extract %z[%c0] : tensor<4xf32>
    %p1 = arith.cmpf ogt, %e1, %limit : f32
    %m = scf.if %p1 -> (tensor<i64>) {
      %grown = linalg.generic {indexing_maps = [#s, #s, #s], iterator_types = []}
          ins(%n, %one : tensor<i64>, tensor<i64>) outs(%number : tensor<i64>) {
      ^bb0(%l: i64, %r: i64, %out: i64):
        %v = arith.addi %l, %r : i64
        linalg.yield %v : i64
      } -> tensor<i64>
      scf.yield %grown : tensor<i64>
    } else {
      scf.yield %zero : tensor<i64>
    }
    %q1 = linalg.generic {indexing_maps = [#s, #s, #s], iterator_types = []}
        ins(%m, %two : tensor<i64>, tensor<i64>) outs(%flag : tensor<i1>) {
    ^bb0(%l: i64, %r: i64, %out: i1):
      %v = arith.cmpi eq, %l, %r : i64
      linalg.yield %v : i1
    } -> tensor<i1>
    %enough1 = tensor.extract %q1[] : tensor<i1>
    %last = scf.if %enough1 -> (tensor<4xf32>) {
      scf.yield %z : tensor<4xf32>
    } else {
      %w = math.cos %z : tensor<4xf32>
      scf.yield %w : tensor<4xf32>
    }
    scf.yield %last : tensor<4xf32>
  }
  return %result : tensor<4xf32>
}
