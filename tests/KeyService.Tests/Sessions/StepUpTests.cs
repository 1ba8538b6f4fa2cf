using System.Reflection;
using KeyService.Server.Pipeline;
using KeyService.Tests.Server;

namespace KeyService.Tests.Sessions;

/// <summary>Which RPCs ask a person for a fresh code, and which need no session: a list that is read when it changes.</summary>
public sealed class StepUpTests
{
    [Fact]
    public void These_RPCs_ask_for_a_code_of_the_last_minutes() => Assert.Equal(
        """
        AccessReviewsService.AttestAccess
        AccessReviewsService.CloseAccessReview
        AccessReviewsService.ReassignAccessReview
        AccessReviewsService.StartAccessReview
        AccessService.CreateGrant
        AccessService.CreatePrincipal
        AccessService.DisablePrincipal
        AccessService.MovePrincipal
        AccessService.RevokeGrant
        ApprovalsService.InstallRoster
        AuditService.ExportLog
        AuditService.RotateLogKey
        BackupsService.ExportBundle
        BackupsService.ExportSelection
        BreakGlassService.AskBreakGlass
        BreakGlassService.ConfirmBreakGlass
        BreakGlassService.ReviewBreakGlass
        BreakGlassService.SealBreakGlass
        DestructionsService.CompleteDestruction
        DestructionsService.ScheduleDestruction
        EvidenceService.ExportEvidence
        PlacesService.SetPlacePolicy
        RetentionService.DeleteRecords
        ReviewsService.SignOffMonth
        SessionsService.ResetSecondFactor
        SessionsService.UnlockPerson
        """,
        Where(rpc => rpc.StepUp));

    [Fact]
    public void These_RPCs_lead_to_a_session_and_need_none() => Assert.Equal(
        """
        BreakGlassService.OpenSealedBreakGlass
        SessionsService.ActivateSecondFactor
        SessionsService.OfferSecondFactor
        SessionsService.OpenSession
        """,
        Where(rpc => rpc.BeforeSession));

    private static string Where(Func<RpcAttribute, bool> which) => string.Join('\n', RpcMappingTests.Services()
        .SelectMany(row => RpcMapping.RpcMethodsOf(row.Data).Select(method => (Service: row.Data, Method: method)))
        .Where(rpc => which(rpc.Service
            .GetMethod(rpc.Method.Name, [.. rpc.Method.GetParameters().Select(parameter => parameter.ParameterType)])!.GetCustomAttribute<RpcAttribute>()!))
        .Select(rpc => $"{rpc.Service.Name}.{rpc.Method.Name}").Order(StringComparer.Ordinal));
}
