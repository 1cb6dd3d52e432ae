//===- MaterializePoison.cpp - Give undefined values that are passed a value -===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "passes/Passes.h"
#include "passes/Utils/HostValues.h"
#include "llvm/ADT/SetVector.h"

namespace dycl {
#define GEN_PASS_DEF_DYCLMATERIALIZEPOISONPASS
#include "passes/Passes.h.inc"
} // namespace dycl

using namespace mlir;
using namespace dycl;

namespace {

struct MaterializePoisonPass : public dycl::impl::DyclMaterializePoisonPassBase<MaterializePoisonPass> {
  using DyclMaterializePoisonPassBase::DyclMaterializePoisonPassBase;

  void runOnOperation() override {
    SmallVector<ub::PoisonOp> poisons;
    getOperation().walk([&](ub::PoisonOp poison) { poisons.push_back(poison); });
    for (ub::PoisonOp poison : poisons) {
      Operation *user = findComputation(poison.getResult());
      if (!user)
        continue;
      OpBuilder builder(poison);
      Type type = poison.getType();
      auto tensor = dyn_cast<RankedTensorType>(type);
      TypedAttr zero = !tensor || tensor.hasStaticShape() ? builder.getZeroAttr(type) : TypedAttr();
      if (!zero) {
        InFlightDiagnostic diagnostic = poison.emitError()
                                        << "a value of type " << type
                                        << " is undefined on this path, and no stand-in of that type can be made";
        diagnostic.attachNote(user->getLoc()) << "it is computed with here";
        return signalPassFailure();
      }
      poison.replaceAllUsesWith(arith::ConstantOp::create(builder, poison.getLoc(), zero).getResult());
      poison.erase();
      ++numMaterialized;
    }
  }
};

} // namespace
