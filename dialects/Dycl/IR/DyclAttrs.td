//===- DyclAttrs.td - Attributes of the dycl dialect --------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DYCL_ATTRS
#define DYCL_ATTRS

include "dialects/Dycl/IR/DyclDialect.td"
include "mlir/IR/AttrTypeBase.td"

def Dycl_CostAttr : AttrDef<Dycl_Dialect, "Cost"> {
  let mnemonic = "cost";
  let summary = "What one call of a region costs";
  let description = [{
    `flops` is the number of arithmetic operations, a multiply-accumulate counting two; `bytes` the size of what the
    call reads and writes at its border: operands, results and parameters, each once. A dynamic size counts as one.

    ```mlir
    #dycl.cost<flops = 442368, bytes = 78208>
    ```
  }];
  let parameters = (ins "int64_t":$flops, "int64_t":$bytes);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

#endif // DYCL_ATTRS
