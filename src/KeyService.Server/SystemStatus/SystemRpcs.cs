using System.Reflection;
using Dapper;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Hsm;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Certificates;
using KeyService.Server.Hosting;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using SystemBase = KeyService.Protocol.V1.System.SystemBase;

namespace KeyService.Server.SystemStatus;

/// <summary>The state of this server and of its token: system.proto.</summary>
internal sealed class SystemRpcs(
    ServerConfiguration configuration, HsmToken hsm, IStore store, HealthProbe probe, TimeProvider time, ServerStart start,
    CertificateListing certificates, TlsFiles? tls = null) : SystemBase
{
    /// <summary>Version of the server, for example "0.1.0".</summary>
    public static string Version { get; } =
        typeof(SystemRpcs).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
            ?? "0.0.0";

    [Rpc(Permission.ReadSystem, AuditEvent.StatusRead)]
    public override async Task<GetStatusResponse> GetStatus(GetStatusRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var now = time.GetUtcNow();
        var response = new GetStatusResponse
        {
            Version = Version,
            Profile = configuration.Profile.ToString().ToLowerInvariant(),
            StartTime = start.Time.ToTimestamp(),
            ServerTime = now.ToTimestamp(),
            Uptime = (now - start.Time).ToDuration(),
            KeyCount = await store
                .ReadAsync(connection => connection.ExecuteScalarAsync<long>("SELECT count(*) FROM keys"), call.CancellationToken),
        };
        if (tls is not null)
            response.CertificateExpireTime = Timestamp.FromDateTime(tls.Current.Certificate.NotAfter.ToUniversalTime());
        foreach (var component in probe.Components)
        {
            response.Components.Add(new ComponentStatus
            {
                Name = component.Name,
                Healthy = component.Healthy,
                Detail = component.Detail,
                LastProbeLatency = component.Latency.ToDuration(),
            });
        }
        return response;
    }

    [Rpc(Permission.ReadSystem, AuditEvent.HsmGuaranteesRead)]
    public override Task<GetHsmGuaranteesResponse> GetHsmGuarantees(GetHsmGuaranteesRequest request, ServerCallContext context)
    {
        Call.Of(context).Authorize(keyName: null, context: null);
        var info = hsm.Info;
        var response = new GetHsmGuaranteesResponse
        {
            ModulePath = info.ModulePath,
            ModuleDescription = $"{info.LibraryManufacturer} {info.LibraryDescription} {info.LibraryVersion}".Trim(),
            TokenLabel = info.TokenLabel,
            TokenSerial = info.TokenSerial,
            DevelopmentOnly = hsm.DevelopmentOnly,
        };
        foreach (var guarantee in hsm.Guarantees)
        {
            response.Guarantees.Add(new Protocol.V1.HsmGuarantee
            {
                Name = guarantee.Name,
                Held = guarantee.State == HsmGuaranteeState.Held,
                Detail = $"{guarantee.Statement} {guarantee.Evidence}",
            });
        }
        foreach (var choice in hsm.Mechanisms)
        {
            response.Mechanisms.Add(new HsmMechanism
            {
                Role = choice.MechanismName,
                Algorithm = choice.Algorithm,
                Mechanism = (uint)choice.Mechanism,
                KnownAnswerPassed = choice.Proof == HsmMechanismProof.KnownAnswer,
            });
        }
        return Task.FromResult(response);
    }

    [Rpc(Permission.ReadSystem, AuditEvent.CertificatesListed)]
    public override async Task<ListCertificatesResponse> ListCertificates(ListCertificatesRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var response = await certificates.PageAsync(request, call.CancellationToken);
        call.Record.ItemCount = response.Certificates.Count;
        return response;
    }
}
