import Domain
import PolicyCompiler
import Store

extension OnboardingTransaction {
    /// Where a SIM stands: in the document, or in a file that it includes.
    private enum Origin {
        case document(DocumentPlace)
        case file(String, line: Int)
    }

    /// SIMs that are new, by group.
    private struct Count {
        var first: IMSI
        var number = 1
    }

    mutating func sims(_ owner: Tenant) throws {
        var groups = try store.groups(of: owner.id).reduce(into: [:]) { $0[$1.name] = $1.id }
        var new: [Name?: Count] = [:]
        var (kept, moved) = (0, 0)
        for (card, origin) in try cards() {
            guard seenSIMs.insert(card.imsi).inserted else {
                report(origin, "imsi", "the SIM \(card.imsi) is written more than once: write it once")
                continue
            }
            var group: SIMGroup.ID?
            if let name = card.group {
                group = groups[name]
                guard group != nil else {
                    report(unknownGroup: name, origin, groups.keys.sorted())
                    // Said once, it need not be said of each SIM.
                    groups[name] = SIMGroup.ID(0)
                    continue
                }
                guard group != SIMGroup.ID(0) else { continue }
            }
            guard let sim = try store.sim(imsi: card.imsi) else {
                do throws(StoreError) {
                    _ = try store.insertSIM(
                        NewSIM(
                            imsi: card.imsi, iccid: card.iccid, msisdn: card.msisdn, group: group,
                            label: card.label ?? ""), of: owner.id, at: now)
                    new[card.group] =
                        new[card.group].map { Count(first: $0.first, number: $0.number + 1) } ?? Count(first: card.imsi)
                } catch {
                    guard error.code == .conflict else { throw error }
                    report(origin, "", error.message)
                }
                continue
            }
            guard sim.tenant == owner.id else {
                // Whose it is, is not said.
                report(origin, "imsi", "IMSI \(card.imsi) is already registered")
                continue
            }
            let changes = try change(sim, to: card, group, groups, origin)
            if changes.isEmpty {
                kept += 1
            } else {
                moved += 1
                if moved <= Self.maximumListed { note(.change, .sim, card.imsi, "", changes) }
            }
        }
        if moved > Self.maximumListed { note(.change, .sim, "\(moved - Self.maximumListed) more SIMs") }
        for (group, count) in new.sorted(by: { ($0.key?.description ?? "") < ($1.key?.description ?? "") }) {
            let more = count.number > 1 ? " and \(count.number - 1) more" : ""
            note(
                .create, .sim, "\(count.first)\(more)", group.map { "in group \($0)" } ?? "in no group")
        }
        if kept > 0 { note(.keep, .sim, kept == 1 ? "1 SIM" : "\(kept) SIMs") }
    }

    /// Of SIMs that change, so many have a step of their own.
    private static let maximumListed = 50

    /// - Returns: what differs, and is as the document says now.
    private mutating func change(
        _ sim: SIM, to card: OnboardingDocument.Card, _ group: SIMGroup.ID?, _ groups: [Name: SIMGroup.ID],
        _ origin: Origin
    ) throws -> [Plan.FieldChange] {
        if sim.iccid != card.iccid {
            report(
                origin, "iccid",
                "SIM \(card.imsi) has the ICCID \(sim.iccid): a card is not changed, delete the SIM and write it anew")
        }
        if let msisdn = card.msisdn, sim.msisdn != msisdn {
            report(
                origin, "msisdn",
                "SIM \(card.imsi) has \(sim.msisdn.map { "the MSISDN \($0)" } ?? "no MSISDN"): that is not changed, delete "
                    + "the SIM and write it anew")
        }
        var changes: [Plan.FieldChange] = []
        if let group, sim.group != group {
            try store.setGroup(group, of: sim.id)
            result.isRejudged = true
            changes.append(Self.change("group", groups.first { $0.value == sim.group }?.key, card.group))
        }
        if let label = card.label, sim.label != label {
            try store.setLabel(label, of: sim.id)
            changes.append(
                Plan.FieldChange(field: "name", before: sim.label.isEmpty ? nil : sim.label, after: label))
        }
        return changes
    }

    /// Those of the document, then those of its files.
    private mutating func cards() throws -> [(OnboardingDocument.Card, Origin)] {
        var cards = document.sims.map { ($0.value, Origin.document($0.place)) }
        for placed in document.simFiles {
            let name = placed.value.name
            do throws(ControlError) {
                let file = try SIMFile(parsing: Array(placed.value.text.utf8))
                problems += file.problems.map {
                    ControlError.Problem(line: $0.line, file: name, field: $0.field, message: $0.message)
                }
                cards += file.rows.map { row in
                    // An empty field says nothing.
                    let card = OnboardingDocument.Card(
                        imsi: row.imsi, iccid: row.iccid, msisdn: row.msisdn, group: row.group,
                        label: row.label.isEmpty ? nil : row.label)
                    return (card, .file(name, line: row.line))
                }
            } catch {
                problems += error.problems.map {
                    ControlError.Problem(line: $0.line, file: name, field: $0.field, message: $0.message)
                }
                if error.problems.isEmpty {
                    problems.append(ControlError.Problem(line: 1, file: name, field: "", message: error.detail))
                }
            }
            if cards.count > OnboardingDocument.maximumSIMs {
                report(
                    placed.place.diagnostic(
                        "\(cards.count) SIMs; at most \(OnboardingDocument.maximumSIMs) are allowed: bring the rest with "
                            + "cordon sim import"))
                return []
            }
        }
        return cards
    }

    private mutating func report(_ origin: Origin, _ field: String, _ message: String) {
        switch origin {
        case .document(let place): report((field.isEmpty ? place : place[field]).diagnostic(message))
        case .file(let name, let line):
            problems.append(ControlError.Problem(line: line, file: name, field: field, message: message))
        }
    }

    private mutating func report(unknownGroup name: Name, _ origin: Origin, _ known: [Name]) {
        switch origin {
        case .document(let place): report(place["group"].diagnostic(unknown: "group", name, known: known))
        case .file(let file, let line):
            let diagnostic = document.tenant.place.diagnostic(unknown: "group", name, known: known)
            problems.append(ControlError.Problem(line: line, file: file, field: "group", message: diagnostic.message))
        }
    }
}
