// RUN: dycl-opt %s --verify-diagnostics --dycl-tile-products='vector-bits=256 registers=16 tuning=product-12x20x48:rows=6:tile=7'
// RUN: not dycl-opt %s --dycl-tile-products='vector-bits=256 registers=16 tuning=product-12x20x48:tile' 2>&1 | FileCheck %s --check-prefix=NUMBER
// RUN: not dycl-opt %s --dycl-tile-products='vector-bits=256 registers=16 tuning=product-12x20x48' 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not dycl-opt %s --dycl-tile-products='vector-bits=256 registers=16 tuning=product-1x2x3:tile=1,product-1x2x3:tile=1' 2>&1 | FileCheck %s --check-prefix=TWICE

// NUMBER: error: tuning 'product-12x20x48:tile': 'tile' is not NAME=NUMBER
// NONE: error: tuning 'product-12x20x48' is not KEY:NAME=NUMBER
// TWICE: error: tuning has product-1x2x3 twice

// A tile is part of the rows that a workgroup computes, and those are chosen too.
module @net {
  "util.global"() <{initial_value = #flow.parameter.named<"model"::"w"> : tensor<20x48xf32>, sym_name = "w", sym_visibility = "private", type = tensor<20x48xf32>}> : () -> ()
  func.func @region_0(%x: tensor<12x20xf32>, %init: tensor<12x48xf32>) -> tensor<12x48xf32> {
    %w = "util.global.load"() <{global = @w}> : () -> tensor<20x48xf32>
    // expected-error@+1 {{tuning of product-12x20x48: tile is 7, expected 1 to 6}}
    %0 = linalg.matmul ins(%x, %w : tensor<12x20xf32>, tensor<20x48xf32>) outs(%init : tensor<12x48xf32>) -> tensor<12x48xf32>
    return %0 : tensor<12x48xf32>
  }
}
