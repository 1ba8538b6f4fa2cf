using KeyService.Grpc;
using KeyService.Server.Approvals;

namespace KeyService.Server.Pipeline;

/// <summary>Registers the pipeline and the gRPC server that it stands in.</summary>
internal static class PipelineHosting
{
    public static IServiceCollection AddPipeline(this IServiceCollection services)
    {
        services.AddSingleton<CallLog>();
        services.AddSingleton<CallAdmission>();
        services.AddSingleton<CallRecorder>();
        services.AddSingleton<QuorumGate>();
        services.AddSingleton<CallGate>();
        services.AddSingleton<CallPipeline>();
        services.AddGrpcTransport(options => options.Interceptors.Add<CallPipeline>());
        return services;
    }

    /// <summary>Every call passes the gate, in front of all endpoints.</summary>
    public static IApplicationBuilder UsePipeline(this IApplicationBuilder application) => application.UseMiddleware<CallGate>();
}
