//===- Placement.cpp - On which device each region runs -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "passes/Utils/Placement.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinTypes.h"
#include "passes/Utils/MinCut.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace dycl;

DeviceModel DeviceModel::of(StringRef name) {
  if (name.starts_with("vulkan"))
    return {1000, 100, 100, 5, 30};
  if (name.starts_with("cuda"))
    return {10000, 500, 30, 10, 15};
  return {50, 10, 5, 10, 1};
}

/// Picoseconds, which are fine enough for a region of one operation, and of which 60 bits are twelve days.
static int64_t toPicoseconds(double nanoseconds) { return static_cast<int64_t>(std::min(nanoseconds, 1e14) * 1000); }

static double countBytes(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  double bytes = 1;
  if (auto complex = dyn_cast<ComplexType>(type.getElementType()))
    bytes = complex.getElementType().getIntOrFloatBitWidth() / 4.0;
  else if (type.getElementType().isIntOrFloat())
    bytes = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  for (int64_t size : type.getShape())
    bytes *= ShapedType::isDynamic(size) ? 1.0 : double(size);
  return bytes;
}

/// How often a tensor is transferred for a use: in a loop around the use alone, once before it.
static double countTransfers(Value tensor, OpOperand &use) {
  Block *block = use.getOwner()->getBlock(), *place = block;
  for (; block != tensor.getParentBlock(); block = block->getParentOp()->getBlock())
    if (isLoop(block->getParentOp()))
      place = block->getParentOp()->getBlock();
  return estimateRuns(place);
}

Placement::Placement(ProgramOp program, const HostDataflow &dataflow, ArrayRef<DeviceModel> devices)
    : devices(devices), placeDevices(dataflow.getNumPlaces(), 0), isFixed(dataflow.getNumPlaces()),
      placeCosts(dataflow.getNumPlaces(), SmallVector<int64_t>(devices.size(), 0)) {
  isFixed.set(HostDataflow::kHome);
  for (Value tensor : dataflow.getTensors()) {
    if (tensor.getDefiningOp<arith::ConstantOp>())
      continue; // Each device makes its own, once.
    llvm::SmallSetVector<Place, 4> consumers;
    double runs = 0;
    for (OpOperand &use : tensor.getUses())
      if (std::optional<Place> consumer = dataflow.getConsumer(use)) {
        consumers.insert(*consumer);
        runs += countTransfers(tensor, use);
      }
    Place producer = dataflow.getPlace(tensor);
    consumers.remove(producer);
    runs = std::min(runs, estimateRuns(tensor.getParentBlock()));
    if (!consumers.empty())
      flows.push_back({producer, llvm::to_vector(consumers), countBytes(tensor), runs});
  }
}

void Placement::setCost(Place region, CostAttr cost, double runs) {
  for (auto [device, model] : llvm::enumerate(devices)) {
    double nanoseconds = 1000 * model.callUs;
    if (cost)
      nanoseconds += std::max(cost.getFlops() / model.gflops, cost.getBytes() / model.gbps);
    placeCosts[region][device] = toPicoseconds(nanoseconds * runs);
  }
}

void Placement::fix(Place place, Device device) {
  placeDevices[place] = device;
  isFixed.set(place);
}

/// A copy between two devices goes through the host's memory.
int64_t Placement::getTransferCost(const Flow &flow, Device from, Device to) const {
  if (from == to)
    return 0;
  double nanoseconds = 0;
  for (const DeviceModel &model : {devices[from], devices[to]})
    nanoseconds += 1000 * model.linkUs + flow.bytes / model.linkGbps;
  return toPicoseconds(nanoseconds * flow.runs);
}

int64_t Placement::getCost() const {
  int64_t cost = 0;
  for (auto [place, device] : llvm::enumerate(placeDevices))
    cost += placeCosts[place][device];
  for (const Flow &flow : flows) {
    llvm::SmallSetVector<Device, 4> needed;
    for (Place consumer : flow.consumers)
      needed.insert(placeDevices[consumer]);
    for (Device device : needed)
      cost += getTransferCost(flow, placeDevices[flow.producer], device);
  }
  return cost;
}

bool Placement::isFree(Place place, Device low, Device high) const {
  return !isFixed[place] && (placeDevices[place] == low || placeDevices[place] == high);
}

/// Finds the best assignment of `low` and `high` to the free places that have one of them now. Says whether that is
/// better than before. Of two equally good ones it takes the one with more on `low`.
///
/// It is a cheapest cut: a place on the source's side is on `high`, one on the sink's side on `low`. An edge from the
/// source costs what a place pays for `low`, one to the sink what it pays for `high`. A tensor is transferred once,
/// however many need it: behind a node that each of them pulls to the other side.
bool Placement::exchange(Device low, Device high) {
  MinCut cut;
  SmallVector<MinCut::Node> nodes(placeDevices.size(), MinCut::kSource);
  for (auto [place, node] : llvm::enumerate(nodes))
    if (isFree(place, low, high)) {
      node = cut.addNode();
      cut.addEdge(MinCut::kSource, node, placeCosts[place][low]);
      cut.addEdge(node, MinCut::kSink, placeCosts[place][high]);
    }
  auto isNode = [&](Place place) { return nodes[place] != MinCut::kSource; };

  for (const Flow &flow : flows) {
    SmallVector<MinCut::Node> moving;
    llvm::SmallSetVector<Device, 4> needed; // by places that do not move
    for (Place consumer : flow.consumers) {
      if (isNode(consumer))
        moving.push_back(nodes[consumer]);
      else
        needed.insert(placeDevices[consumer]);
    }
    bool movesProducer = isNode(flow.producer);
    MinCut::Node producer = nodes[flow.producer];
    Device from = placeDevices[flow.producer];
    if (movesProducer)
      for (Device device : needed) {
        cut.addEdge(MinCut::kSource, producer, getTransferCost(flow, low, device));
        cut.addEdge(producer, MinCut::kSink, getTransferCost(flow, high, device));
      }
    // One of `moving` on `high`, which is not where the tensor lies.
    if (!moving.empty() && !needed.contains(high) && (movesProducer || from != high)) {
      MinCut::Node any = cut.addNode();
      for (MinCut::Node node : moving)
        cut.addEdge(node, any, MinCut::kInfinite);
      cut.addEdge(any, movesProducer ? producer : MinCut::kSink,
                  getTransferCost(flow, movesProducer ? low : from, high));
    }
    // One of them on `low`, likewise.
    if (!moving.empty() && !needed.contains(low) && (movesProducer || from != low)) {
      MinCut::Node any = cut.addNode();
      for (MinCut::Node node : moving)
        cut.addEdge(any, node, MinCut::kInfinite);
      cut.addEdge(movesProducer ? producer : MinCut::kSource, any,
                  getTransferCost(flow, movesProducer ? high : from, low));
    }
  }

  int64_t before = getCost();
  SmallVector<Device> old = placeDevices;
  llvm::BitVector isHigh = cut.solve();
  for (auto [place, node] : llvm::enumerate(nodes))
    if (isNode(place))
      placeDevices[place] = isHigh[node] ? high : low;
  if (getCost() < before)
    return true;
  placeDevices = old;
  return false;
}

void Placement::minimize() {
  for (bool isBetter = true; isBetter;) {
    isBetter = false;
    for (Device low = 0; low < devices.size(); ++low)
      for (Device high = low + 1; high < devices.size(); ++high)
        isBetter |= exchange(low, high);
  }
}
