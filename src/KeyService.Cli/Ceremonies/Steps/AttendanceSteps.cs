using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>Who is here.</summary>
internal static class AttendanceSteps
{
    public static Task TakeAsync(CeremonyRun run, CancellationToken cancellation)
    {
        // Of an attendance that was interrupted: who was to take a place and was not entered yet.
        foreach (var alternate in run.Plan.People.Where(each => !IsEntered(run, each)
            && run.Plan.People.Any(absent => run.RecordedFact(Absence(absent)) == TakesPlace(each))).ToList())
        {
            run.Enter(alternate with { Role = CeremonyRole.Custodian });
        }
        var alternates = new Queue<CeremonyPerson>(run.Plan.People.Where(each => each.Role == CeremonyRole.Alternate && !IsEntered(run, each)));
        foreach (var person in run.Plan.People.Where(each => each.Role != CeremonyRole.Alternate && !IsEntered(run, each) && run.RecordedFact(Absence(each)) is null))
        {
            cancellation.ThrowIfCancellationRequested();
            if (run.Desk.Ask($"{person.FullName}, {person.Role}: are you here, and did two of you look at your identity documents? Enter for yes, absent for no.") != "absent")
            {
                run.Enter(person);
                continue;
            }
            if (person.Role is CeremonyRole.Auditor or CeremonyRole.FormerCustodian)
            {
                run.Deviate("1", $"{person.FullName} ({person.Role}) is absent.");
                continue;
            }
            if (person.Role != CeremonyRole.Custodian || !alternates.TryDequeue(out var alternate))
            {
                // Never with a lower quorum, and never without the one who drives or the one who sees.
                run.Deviate("1", $"{person.FullName} ({person.Role}) is absent, and nobody was named in that place.");
                throw new CeremonyStoppedException();
            }
            run.Deviate("1", $"{person.FullName} ({person.Role}) is absent; {alternate.FullName} takes the place.");
            run.Fact(Absence(person), TakesPlace(alternate));
            run.Enter(alternate with { Role = CeremonyRole.Custodian });
        }
        return Task.CompletedTask;
    }

    private static string TakesPlace(CeremonyPerson alternate) => $"{alternate.Name} takes the place";

    private static string Absence(CeremonyPerson person) => $"absent.{person.Name}";

    private static bool IsEntered(CeremonyRun run, CeremonyPerson person) => run.Present.Any(each => each.Name == person.Name);
}
