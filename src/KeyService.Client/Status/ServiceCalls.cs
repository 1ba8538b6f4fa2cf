using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.System</c>.</summary>
public sealed class ServiceCalls
{
    private readonly Protocol.V1.System.SystemClient system;
    private readonly CallRunner runner;

    internal ServiceCalls(CallInvoker invoker, CallRunner runner)
    {
        system = new Protocol.V1.System.SystemClient(invoker);
        this.runner = runner;
    }

    /// <summary>State of the server and its components.</summary>
    public Task<GetStatusResponse> GetStatusAsync(CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => system.GetStatusAsync(new GetStatusRequest(), o), cancellation);

    /// <summary>What the HSM module was seen to guarantee.</summary>
    public Task<GetHsmGuaranteesResponse> GetHsmGuaranteesAsync(CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => system.GetHsmGuaranteesAsync(new GetHsmGuaranteesRequest(), o), cancellation);

    /// <summary>
    /// Certificates of the server that answers, its authorities, and clients seen since its start, page by page; what ends first comes first.
    /// </summary>
    public IAsyncEnumerable<Certificate> ListCertificatesAsync(CancellationToken cancellation = default) =>
        Pages.ItemsAsync(
            runner, (token, o) => system.ListCertificatesAsync(new ListCertificatesRequest { PageSize = Pages.Size, PageToken = token }, o),
            page => page.Certificates, page => page.NextPageToken, cancellation);
}
